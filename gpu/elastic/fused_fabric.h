#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "gpu/fabric/fabric.h"

namespace bethany {

/// When a rank dies: before its exchange of that number, counted from 0; negative: never. `blown`
/// is called once, then the rank is as good as dead.
struct Fuse {
  int exchange = -1;
  std::function<void()> blown;
};

/// A fabric that counts and may die.
class FusedFabric final : public Fabric {
 public:
  FusedFabric(std::unique_ptr<Fabric> inner, const Fuse& fuse, int& exchanges)
      : inner_(std::move(inner)), fuse_(fuse), exchanges_(exchanges) {}

  int rank() const override { return inner_->rank(); }
  int ranks() const override { return inner_->ranks(); }
  double exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    if (fuse_.exchange == exchanges_) {
      fuse_.blown();
      throw PeerLost("this rank was killed");
    }
    ++exchanges_;
    return inner_->exchange(sends, receives);
  }
  void barrier() override { inner_->barrier(); }

 private:
  std::unique_ptr<Fabric> inner_;
  const Fuse& fuse_;  // set anew for each order
  int& exchanges_;    // of the order at hand
};

}  // namespace bethany
