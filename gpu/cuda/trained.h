#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gpu/validate/case_input.h"
#include "gpu/validate/claims.h"

namespace bethany::cuda {

/// Parts of the GPU in the mode partitioned, however many of them a case needs: a part calibrated
/// is a part validated. Ten ranks are the most of all cases.
inline constexpr int kParts = 10;

/// What validation trains on a GPU, and calibration of its pieces measures: the shape `medium` of
/// the zoo, large enough that products fill the GPU, small enough that the host draws and saves all
/// weights in well under a second. One layer.
CaseWorld trained_world();

/// Device, driver and libraries, and the parts where there are some. Throws NoDevice.
std::vector<std::pair<std::string, std::string>> facts_of_trained(Mode mode);

}  // namespace bethany::cuda
