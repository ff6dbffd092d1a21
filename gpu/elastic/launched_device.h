#pragma once

#include <string>
#include <vector>

#include "gpu/elastic/rank_process.h"
#include "gpu/fabric/environment.h"
#include "gpu/selftest.h"
#include "sim/base/registry.h"

namespace bethany {

/// What launched processes of one arithmetic run on where that is not the processor: which device
/// is whose, and how data goes from one to another.
class LaunchedDevice {
 public:
  virtual ~LaunchedDevice() = default;
  /// The number of this process's device (DeviceShare::device). Throws InputError when its node has
  /// too few, NoDevice when it has none.
  virtual int number(const Launch& launch) const = 0;
  /// How its ranks connect. Throws InputError when the program was built without that.
  virtual FabricMaker fabric(const Launch& launch) const = 0;
  /// Of the fabric, with its version.
  virtual std::string fabric_name() const = 0;
  /// Checks the fabric with one rank, this process; empty when the program was built without it.
  virtual std::vector<CheckResult> check_fabric() const = 0;
};

/// By the name of the arithmetic. Others compute on the processor and connect by sockets.
Registry<LaunchedDevice>& launched_devices();

/// Of that arithmetic; null where it computes on the processor.
std::unique_ptr<LaunchedDevice> launched_device(const std::string& compute);

}  // namespace bethany
