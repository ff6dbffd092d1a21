#include "traces/replay_options.h"

#include "sim/base/error.h"
#include "tests/support/catch.h"

using namespace bethany;

namespace {

ReplayOptions read(const std::string& text, ReplayDefaults defaults = {10, 7, false},
                   JsonNode* effective = nullptr) {
  const auto node = parse_json(text, "s.json");
  ObjectReader reader(node, "/trace", effective);
  const auto options = read_replay_options(reader, defaults);
  reader.finish();
  return options;
}

std::string complaint(const std::string& text) {
  try {
    read(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("replay options have the contract's defaults") {
  const auto options = read("{}");
  CHECK(options.from == Duration(0));
  CHECK(options.coalesce == Duration(0));
  CHECK(options.cap_nodes == 10);
  CHECK(options.rule == CapRule::members);
  CHECK(options.order == CapOrder::random);
  CHECK(options.cap_seed == 7);
  CHECK(options.at_end == AtEnd::stop);
  CHECK(read("{}", {10, 7, true}).at_end == AtEnd::hold);
}

TEST_CASE("replay options are read and written back") {
  JsonNode effective;
  const auto options = read(R"({"from":"90min","keep":{"every":3,"first":2},"join_order":"random",)"
                            R"("cap":{"rule":"hot-surplus","order":"name","seed":3},)"
                            R"("coalesce":"2min","at_end":"repeat"})",
                            {10, 7, false}, &effective);
  CHECK(options.from == std::chrono::minutes(90));
  CHECK(options.coalesce == std::chrono::minutes(2));
  CHECK(options.rule == CapRule::hot_surplus);
  CHECK(options.order == CapOrder::name);
  CHECK(options.cap_seed == 3);
  CHECK(options.at_end == AtEnd::repeat);
  CHECK(to_line(effective) ==
        R"({"from":"90min","keep":{"every":3,"first":2},"join_order":"random",)"
        R"("cap":{"rule":"hot-surplus","order":"name","seed":3},)"
        R"("coalesce":"2min","at_end":"repeat"})");
  CHECK(options.keep_every == 3);
  CHECK(options.keep_first == 2);
  CHECK(cap_in_words(options) ==
        "machines 2, 5, … of the trace; joins of an instant in drawn order; hot-surplus of 10 "
        "nodes, name order");
  CHECK(cap_in_words(read("{}")) == "members of 10 nodes, random order, seed 7");
}

TEST_CASE("replay options refuse what they do not know") {
  CHECK(complaint(R"({"cap":{"rule":"member"}})") ==
        "s.json:1: /trace/cap/rule: unknown value 'member'; did you mean 'members'?");
  CHECK(complaint(R"({"cap":{"rules":"members"}})") ==
        "s.json:1: /trace/cap/rules: unknown key 'rules'; did you mean 'rule'?");
  CHECK(complaint(R"({"at_end":"loop"})").find("unknown value 'loop'") != std::string::npos);
  CHECK(complaint(R"({"cap":{"seed":-1}})") != "");
  CHECK(complaint(R"({"from":-1})") != "");
  CHECK(complaint(R"({"keep":{"every":2,"first":3}})").find("outside 1..2") != std::string::npos);
}
