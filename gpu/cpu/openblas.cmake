# Products of the CPU by OpenBLAS when it is there (BETHANY_OPENBLAS=OFF: never), else by an own
# kernel. Looked for by its own name and beside its own header: a reference BLAS has the same cblas.h.
if(NOT BETHANY_OPENBLAS)
  return()
endif()
find_library(OPENBLAS_LIBRARY openblas)
find_path(OPENBLAS_INCLUDE openblas_config.h
  PATH_SUFFIXES openblas-pthread openblas-serial openblas-openmp openblas)
if(NOT OPENBLAS_LIBRARY OR NOT OPENBLAS_INCLUDE)
  message(STATUS "OpenBLAS not found: the CPU's products are computed by an own, slower kernel")
  return()
endif()
target_include_directories(bethany_gpu SYSTEM PRIVATE ${OPENBLAS_INCLUDE})
target_link_libraries(bethany_gpu PUBLIC ${OPENBLAS_LIBRARY})
set_source_files_properties(${PROJECT_SOURCE_DIR}/gpu/cpu/compute.cpp PROPERTIES
  COMPILE_DEFINITIONS BETHANY_OPENBLAS)
