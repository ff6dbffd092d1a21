# What the report page embeds: its own style and script, and the libraries that draw the figures when
# npm is there. Without them (or with -DBETHANY_WEB=OFF) the figures are pictures.

set(BETHANY_WEB_DIR ${PROJECT_BINARY_DIR}/web)
set(web_source ${PROJECT_SOURCE_DIR}/analysis/report/web)
set(web_bundle ${BETHANY_WEB_DIR}/vega.js ${BETHANY_WEB_DIR}/licences.txt)
find_program(NPM npm)
find_program(NODE NAMES node nodejs)

if(BETHANY_WEB AND NPM AND NODE)
  # The network is used here only, and only when the list of packages changes.
  add_custom_command(OUTPUT ${web_bundle}
    COMMAND ${NODE} ${web_source}/bundle.mjs ${NPM} ${BETHANY_WEB_DIR}
    DEPENDS ${web_source}/bundle.mjs ${web_source}/package.json ${web_source}/package-lock.json
    COMMENT "Bundling the libraries of the report's figures" VERBATIM)
  add_custom_target(bethany_web DEPENDS ${web_bundle})
else()
  message(STATUS "Reports will have pictures only: npm is missing or BETHANY_WEB is off")
  file(MAKE_DIRECTORY ${BETHANY_WEB_DIR})
  foreach(file ${web_bundle})
    file(CONFIGURE OUTPUT ${file} CONTENT "")
  endforeach()
endif()

# Its bytes are put in by the assembler (.incbin): that takes no time, and ninja compiles everything
# else meanwhile. Other generators need the whole library to wait.
set_source_files_properties(${PROJECT_SOURCE_DIR}/analysis/report/web_files.cpp PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON  # it has definitions of its own
  COMPILE_DEFINITIONS "BETHANY_WEB_SOURCE=\"${web_source}\";BETHANY_WEB_BUNDLE=\"${BETHANY_WEB_DIR}\""
  OBJECT_DEPENDS "${web_source}/report.css;${web_source}/report.js;${web_bundle}")
if(TARGET bethany_web AND NOT CMAKE_GENERATOR MATCHES Ninja)
  add_dependencies(bethany_analysis bethany_web)
endif()
