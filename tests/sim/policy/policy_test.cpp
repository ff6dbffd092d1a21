#include "sim/policy/policy.h"

#include "sim/base/error.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using namespace std::chrono_literals;

JsonNode object() {
  JsonNode node;
  node.kind = JsonNode::Kind::object;
  return node;
}

std::string effective_of(const std::string& text) {
  JsonNode effective;
  read_policy(policy_from_text(text, object()), "/policies/x", text, &effective);
  return to_line(effective);
}

std::string complaint(const std::string& text) {
  try {
    read_policy(policy_from_text(text, object()), "/policies/x", text, nullptr);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("presets are the rows of the design") {
  CHECK(effective_of("lazarus") ==
        R"({"preset":"lazarus","allocation":"proportional","placement":"mro","dispatch":"lazarus",)"
        R"("on_loss":"in-place","checkpoint":{"kind":"steps","every":250},)"
        R"("rebalance":{"kind":"steps","every":200},"membership":{"kind":"gather","wait":"2min"},)"
        R"("notice":"ignore","straggler":"ignore","fault_threshold":2,"layer_order":"aligned",)"
        R"("binding":"greedy"})");
  const auto ds = effective_of("ds");
  CHECK(ds.find(R"("allocation":)") != std::string::npos);
  CHECK(ds.find(R"("kind":"steps","every":50)") != std::string::npos);
  CHECK(ds.find(R"("rebalance":"never")") != std::string::npos);
  const auto ds_ft = effective_of("ds-ft");
  CHECK(ds_ft.find(R"("on_loss":{"kind":"regroup","reuse_idle":false})") != std::string::npos);
  CHECK(ds_ft.find(R"("membership":{"kind":"gather","wait":"2min"})") != std::string::npos);
  const auto tutel = effective_of("tutel");
  CHECK(tutel.find(R"("overlapped":true)") != std::string::npos);
  CHECK(tutel.find(R"("on_loss":"restart")") != std::string::npos);
  CHECK(effective_of("tutel-ft").find(R"("kind":"regroup")") != std::string::npos);
}

TEST_CASE("the command line overrides parts and their options") {
  const auto text = effective_of("lazarus:placement=spread:checkpoint.every=7:fault_threshold=3");
  CHECK(text.find(R"("placement":"spread")") != std::string::npos);
  CHECK(text.find(R"({"kind":"steps","every":7})") != std::string::npos);
  CHECK(text.find(R"("fault_threshold":3)") != std::string::npos);
  CHECK(effective_of("lazarus:checkpoint=none").find(R"("checkpoint":"none")") !=
        std::string::npos);
  CHECK(effective_of("lazarus:membership.wait=30s").find(R"("wait":"30s")") != std::string::npos);
}

TEST_CASE("a name of the scenario is a policy too, and may be refined") {
  const auto policies = parse_json(
      R"({"mine": {"preset": "lazarus", "placement": "compact", "checkpoint": {"every": 9}}})",
      "f");
  JsonNode effective;
  read_policy(policy_from_text("mine:fault_threshold=4", policies), "", "mine", &effective);
  const auto text = to_line(effective);
  CHECK(text.find("compact") != std::string::npos);
  CHECK(text.find("\"every\":9") != std::string::npos);
  CHECK(text.find("\"fault_threshold\":4") != std::string::npos);
}

TEST_CASE("the effective policy is read back the same") {
  for (const auto* text : {"lazarus", "ds", "ds-ft:on_loss.reuse_idle=true", "tutel",
                           "lazarus:on_loss=restart:checkpoint=none", "ideal"}) {
    const auto once = effective_of(text);
    JsonNode again;
    read_policy(parse_json(once, "f"), "", "x", &again);
    CHECK(to_line(again) == once);
  }
}

TEST_CASE("wrong policies are refused with the reason") {
  CHECK(complaint("lazarus:placement=spred").find("did you mean 'spread'?") != std::string::npos);
  CHECK(complaint("lazarus:plaecment=mro").find("did you mean 'placement'?") != std::string::npos);
  CHECK(complaint("lazarus:fault_threshold=0").find("outside 1..") != std::string::npos);
  CHECK(complaint("lazarus:placement").find("not KEY=VALUE") != std::string::npos);
  CHECK(complaint("lazarus:checkpoint.evry=3").find("'every'") != std::string::npos);
  CHECK(complaint("ds:on_loss=in-place").find("needs 'any-node-count'") != std::string::npos);
  CHECK(complaint("lazarus:on_loss=regroup").find("needs 'ep-groups'") != std::string::npos);
  CHECK(complaint("ds:placement=mro").find("do not fit together") != std::string::npos);
  CHECK(complaint("lazarus:dispatch=ep-group").find("do not fit together") != std::string::npos);
}

TEST_CASE("checkpoint rules say when they are due") {
  const auto rule = [](const std::string& text) {
    return read_policy(policy_from_text("lazarus:" + text, object()), "", "x", nullptr).checkpoint;
  };
  const CheckpointView view{.covered_step = 100, .usable_since = at(50s), .write_time = 8s};
  CHECK(rule("checkpoint.every=20")->next(view).step == 120);
  CHECK(rule("checkpoint=none")->next(view).time == kNever);
  const auto parsed = [](const char* text) {
    return read_policy(parse_json(text, "f"), "", "lazarus", nullptr).checkpoint;
  };
  CHECK(parsed(R"({"checkpoint": {"kind": "interval", "every": "30s"}})")->next(view).time ==
        at(80s));
  // sqrt(2·8·100) = 40; x = 8/200: 40·(1 + 0.2/3 + 0.04/9) − 8 = 34.84444…
  const auto daly = parsed(R"({"checkpoint": {"kind": "young-daly", "mtbf": "100s"}})");
  CHECK(to_seconds(daly->next(view).time) == Approx(50 + 34.8444444).epsilon(1e-8));
}

TEST_CASE("straggler rules say who is too slow and which team is worth most") {
  const auto rule = [](const std::string& text) {
    return read_policy(policy_from_text("lazarus:" + text, object()), "", "x", nullptr).straggler;
  };
  const auto ignore = rule("straggler=ignore");
  CHECK_FALSE(ignore->too_slow(0.01));
  const auto evict = rule("straggler=evict");
  CHECK(evict->patience() == 5min);
  CHECK(evict->too_slow(0.69));
  CHECK_FALSE(evict->too_slow(0.7));
  const auto strict = rule("straggler=evict:straggler.below=0.9:straggler.after=10s");
  CHECK(strict->patience() == 10s);
  CHECK(strict->too_slow(0.8));
  const auto dismissed = [&](const std::vector<Team>& teams) { return evict->dismiss(teams); };
  CHECK(dismissed({{4, 5s}, {3, 3s}}) == 1);            // 0.8 < 1 nodes a second
  CHECK(dismissed({{2, 5s}, {1, 3s}}) == 0);            // 0.4 > 0.33
  CHECK(dismissed({{4, 6s}, {2, 3s}}) == 0);            // equal: EP groups of two
  CHECK(dismissed({{8, 15s}, {7, 6s}, {6, 6s}}) == 1);  // the next one is not the last slow one
  CHECK(dismissed({{8, 15s}, {7, 14s}, {6, 3s}}) == 2);
  CHECK(dismissed({{8, 15s}}) == 0);
  CHECK(complaint("lazarus:straggler=evict:straggler.below=1.5").find("outside") !=
        std::string::npos);
}

TEST_CASE("values of a policy's name are numbers, true and false as JSON has them, else text") {
  const auto node = policy_from_text("lazarus:a=3:b=1.05:c=true:d=2min:e=1.2.3", object());
  CHECK(node.find("a")->kind == JsonNode::Kind::integer);
  CHECK(node.find("b")->real == 1.05);
  CHECK(node.find("c")->kind == JsonNode::Kind::boolean);
  CHECK(node.find("d")->text == "2min");
  CHECK(node.find("e")->text == "1.2.3");
}

}  // namespace
}  // namespace bethany
