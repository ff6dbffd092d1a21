#include "sim/cost/profile.h"

#include <cstdio>
#include <filesystem>
#include <set>

#include "sim/base/error.h"
#include "sim/base/files.h"
#include "tests/sim/cost/cost_support.h"
#include "tests/support/catch.h"

namespace bethany {
namespace {

using namespace std::chrono_literals;

std::string profile_text(const std::string& constants) {
  return "{\"bethany_profile\":1,\"name\":\"mine\",\"kind\":\"measured\",\"constants\":{" +
         constants + "},\"fits\":[]}";
}

constexpr char kDetection[] =
    "\"detection\":{\"value\":0.5,\"unit\":\"s\",\"source\":\"watched it\",\"kind\":\"measured\"}";

/// A profile file in the temporary folder, gone with the object.
class ProfileFile {
 public:
  explicit ProfileFile(const std::string& text)
      : path_((std::filesystem::temp_directory_path() / "bethany-profile-test.json").string()) {
    write_output(path_, text, true);
  }
  ~ProfileFile() { std::remove(path_.c_str()); }
  ProfileFile(const ProfileFile&) = delete;
  ProfileFile& operator=(const ProfileFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_CASE("constants have distinct keys") {
  std::set<std::string_view> keys;
  for (const auto& spec : constant_specs()) {
    CHECK(keys.insert(spec.key).second);
    CHECK_FALSE(spec.meaning.empty());
  }
}

TEST_CASE("every built-in profile has every constant with source and kind, all assumed") {
  CHECK(profile_names() == node_type_names());
  for (const auto& name : profile_names()) {
    const Profile* profile = find_profile(name);
    REQUIRE(profile != nullptr);
    CHECK(profile->kind == "assumed");
    CHECK(profile->constants.size() == kConstantCount);
    for (const auto& spec : constant_specs()) {
      INFO(name << " " << spec.key);
      const auto* constant = profile->find(spec.key);
      REQUIRE(constant != nullptr);
      CHECK_FALSE(constant->source.empty());
    }
    // Also through the reader, which checks values, units and kinds.
    const auto text = to_text(profile_json(*profile));
    CHECK(to_text(profile_json(parse_profile(text, name))) == text);
  }
  CHECK(find_profile("data-sheet") == nullptr);
}

TEST_CASE("the hash of a profile is that of its content, not of its layout") {
  const auto a = parse_profile(profile_text(kDetection), "a");
  const auto b = parse_profile("// comment\n  " + profile_text(kDetection) + "\n\n", "b");
  CHECK(profile_sha256(a) == profile_sha256(b));
  auto other = a;
  other.constants["detection"].value = 0.25;
  CHECK(profile_sha256(other) != profile_sha256(a));
}

TEST_CASE("the spread of equal ranks is part of a profile, and optional") {
  auto profile = parse_profile(profile_text(kDetection), "a");
  CHECK(profile.spread == 0);
  const auto hash = profile_sha256(profile);
  profile.spread = 0.125;
  CHECK(profile_sha256(profile) != hash);
  CHECK(parse_profile(to_text(profile_json(profile)), "b").spread == 0.125);
  const auto wrong = profile_text("").insert(1, "\"spread\":1.5,");
  CHECK_THROWS_WITH(parse_profile(wrong, "c"), Catch::Contains("/spread: 1.5 is outside"));
}

TEST_CASE("wrong profiles are refused, with line and path") {
  const auto complaint = [](const std::string& text) -> std::string {
    try {
      parse_profile(text, "p.json");
    } catch (const InputError& error) {
      return error.what();
    }
    return "no complaint";
  };
  const auto with = [&complaint](const std::string& value, const std::string& unit) {
    return complaint(profile_text("\"detection\":{\"value\":" + value + ",\"unit\":\"" + unit +
                                  "\",\"source\":\"x\",\"kind\":\"assumed\"}"));
  };
  CHECK(with("1", "s") == "no complaint");
  CHECK(with("1", "ms") == "p.json:1: /constants/detection/unit: the unit of detection is \"s\"");
  CHECK_THAT(with("-1", "s"), Catch::Contains("/constants/detection/value: -1 is outside"));
  CHECK_THAT(with("1e10", "s"), Catch::Contains("longer than 100 years"));
  CHECK_THAT(with("\"1s\"", "s"), Catch::Contains("expected a number"));
  CHECK_THAT(complaint(profile_text("\"dense.flop_rate\":{\"value\":0,\"unit\":\"FLOP/s\","
                                    "\"source\":\"x\",\"kind\":\"assumed\"}")),
             Catch::Contains("a rate must be above 0"));
  CHECK_THAT(complaint(profile_text("\"detecton\":{}")),
             Catch::Contains("unknown constant 'detecton'; did you mean 'detection'?"));
  CHECK_THAT(complaint(profile_text("\"detection\":{\"value\":1,\"unit\":\"s\",\"source\":\"\","
                                    "\"kind\":\"assumed\"}")),
             Catch::Contains("say where the value comes from"));
  CHECK_THAT(complaint(profile_text("\"detection\":{\"value\":1,\"unit\":\"s\",\"source\":\"x\","
                                    "\"kind\":\"guessed\"}")),
             Catch::Contains("unknown value 'guessed'"));
  CHECK_THAT(complaint("{\"bethany_profile\":2}"),
             Catch::Contains("p.json:1: /bethany_profile: version 2 is unknown"));
  CHECK_THAT(complaint("{\"bethany_profile\":1,\"name\":\"x\",\"kind\":\"real\"}"),
             Catch::Contains("/kind: unknown value 'real'"));
  CHECK_THAT(complaint("{\"bethany_profile\":1,\"name\":\"x\",\"kind\":\"measured\"}"),
             Catch::Contains("missing key 'constants'"));
}

TEST_CASE("what a profile lacks is taken from assumptions and listed, unless a key gives it") {
  const ProfileFile file(profile_text(kDetection));
  const auto profile_key = "\"profile\":\"" + file.path() + "\"";
  const auto cost = TestCost().make("{" + profile_key + "}");
  CHECK(cost.profile.name == "mine");
  CHECK(cost.profile.kind == "measured");
  CHECK(cost.timer->detection() == 500ms);
  CHECK(cost.timer->process_start() == 50s);
  CHECK(cost.profile.assumed.size() == kConstantCount - 1);
  const auto given = TestCost().make("{" + profile_key + ",\"planning\":\"2s\"}");
  CHECK(given.timer->planning(1) == 2s);
  CHECK(given.profile.assumed.size() == kConstantCount - 2);
  CHECK_THROWS_WITH(TestCost().make("{\"profile\":\"rtx3090\"}"),
                    Catch::Contains("/cost/profile: unknown profile 'rtx3090'"));
  CHECK_THROWS_AS(TestCost().make("{\"profile\":\"absent/profile.json\"}"), InputError);
}

TEST_CASE("a node type without a profile of its own is taken from its data sheet") {
  NodeType type = *find_node_type("rtx3090-100g");
  type.usd_per_hour = 1.5;
  CHECK(assumed_profile(type).name == "rtx3090-100g");
  type.nic = Bandwidth{25e9};
  const auto profile = assumed_profile(type);
  CHECK(profile.name == "data-sheet");
  CHECK(profile.constants.size() == kConstantCount);
  CHECK(profile.find("all_to_all.bandwidth_outside")->value == Approx(11e9));
  CHECK(profile.find("dense.flop_rate")->value == 35.5e12);
  for (const auto& [key, constant] : profile.constants) {
    INFO(key);
    CHECK_FALSE(constant.source.empty());
  }
  TestCost test;
  test.cluster =
      "{\"slots_per_gpu\":1,\"node_type\":{\"gpus\":4,\"gpu_memory\":\"80GiB\",\"peak\":"
      "{\"fp8\":\"2PFLOPS\",\"bf16\":\"1PFLOPS\"},\"hbm\":\"3TB/s\",\"nic\":\"200Gbps\","
      "\"nic_latency\":\"10us\"}}";
  JsonNode effective;
  test.make("{}", &effective);
  CHECK(effective.find("profile")->text == "data-sheet");
  CHECK(effective.find("dense")->find("flop_rate")->text == "500TFLOPS");
  CHECK(effective.find("all_to_all")->find("latency")->text == "10us");
  CHECK(effective.find("migration")->find("bandwidth")->text == "88GB/s");
}

}  // namespace
}  // namespace bethany
