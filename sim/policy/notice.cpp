#include "sim/policy/parts.h"

namespace bethany {
namespace {

class Ignore final : public NoticeRule {};

const bool registered = notice_rules().add({
    .name = "ignore",
    .summary = "announced losses change nothing before they happen",
    .make = [](ObjectReader&) -> std::unique_ptr<NoticeRule> { return std::make_unique<Ignore>(); },
});

}  // namespace
}  // namespace bethany
