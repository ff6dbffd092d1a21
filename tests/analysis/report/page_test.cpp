#include "analysis/report/page.h"

#include <algorithm>
#include <map>
#include <set>

#include "analysis/report/clean_text.h"
#include "analysis/report/report_table.h"
#include "analysis/report/verdict.h"
#include "analysis/report/web_files.h"
#include "tests/analysis/report/sample_report.h"
#include "tests/support/catch.h"

using namespace bethany;

namespace {

struct Element {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string raw;  // the text of a script or style
};

/// A page as a browser's tokenizer sees it, so far as this page needs: what stands in quotes is an
/// attribute, what stands in a script or style is its text, everything else that begins with < is
/// an element.
class Parsed {
 public:
  explicit Parsed(const std::string& page) : page_(page) {
    while (at_ < page_.size()) {
      if (page_[at_] != '<') {
        text += page_[at_++];
      } else if (page_.compare(at_, 2, "<!") == 0) {
        declarations.push_back(page_.substr(at_, page_.find('>', at_) - at_));
        at_ = page_.find('>', at_) + 1;
      } else if (page_.compare(at_, 2, "</") == 0) {
        at_ = page_.find('>', at_) + 1;
      } else {
        ++at_;
        read_element();
      }
    }
  }

  std::vector<Element> elements;
  std::vector<std::string> declarations;
  std::string text;

 private:
  std::string until(const std::string& stops) {
    const auto end = page_.find_first_of(stops, at_);
    REQUIRE(end != std::string::npos);
    const std::string part = page_.substr(at_, end - at_);
    at_ = end;
    return part;
  }

  void read_element() {
    Element element;
    element.name = until(" \n>/");
    for (;;) {
      at_ = page_.find_first_not_of(" \n/", at_);
      if (page_[at_] == '>') break;
      const std::string name = until("= \n>");
      std::string value;
      if (page_[at_] == '=') {
        REQUIRE(page_[at_ + 1] == '"');  // every attribute of ours is quoted
        at_ += 2;
        value = until("\"");
        ++at_;
      }
      element.attributes[name] = value;
    }
    ++at_;
    if (element.name == "script" || element.name == "style") {
      const auto end = page_.find("</" + element.name, at_);
      REQUIRE(end != std::string::npos);
      element.raw = page_.substr(at_, end - at_);
      at_ = end;
    }
    elements.push_back(std::move(element));
  }

  const std::string& page_;
  std::size_t at_ = 0;
};

/// Whether every element and attribute is one that the page is made of, and every script ours.
void check_inert(const std::string& page) {
  static const std::set<std::string> known = {
      "html",    "head", "meta",  "title", "style",      "body",   "a",       "header", "p",
      "h1",      "h2",   "h3",    "main",  "section",    "nav",    "ul",      "li",     "dl",
      "div",     "dt",   "dd",    "table", "caption",    "thead",  "tbody",   "tr",     "th",
      "td",      "span", "small", "bdi",   "wbr",        "figure", "details", "pre",    "g",
      "summary", "svg",  "path",  "text",  "figcaption", "rect",   "circle",  "footer", "script"};
  const Parsed parsed(page);
  CHECK(parsed.declarations == std::vector<std::string>{"<!doctype html"});
  for (const auto& element : parsed.elements) {
    INFO(element.name);
    CHECK(known.count(element.name) == 1);
    for (const auto& [name, value] : element.attributes) {
      INFO(name << "=" << value);
      CHECK(name.rfind("on", 0) != 0);
      CHECK(name != "src");
      CHECK(name != "style");
      if (name == "href") CHECK(value.rfind("#", 0) == 0);
      CHECK(value.find_first_of("<>") == std::string::npos);
    }
    if (element.name == "style") CHECK(element.raw == report_style());
    if (element.name != "script") continue;
    if (element.attributes.count("type") == 1) {
      CHECK(element.attributes.at("type") == "application/json");
      CHECK(element.raw.find_first_of("<>&") == std::string::npos);
      CHECK_NOTHROW(parse_json(element.raw, "script"));
    } else {
      CHECK((element.raw == vega_script() || element.raw == report_script()));
    }
  }
  CHECK(clean_text(parsed.text).size() == parsed.text.size());
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("hostile names are text in the page, whatever they name") {
  for (const auto& hostile : samples::hostile_names()) {
    for (const int place : {0, 1, 2, 3}) {
      samples::Names names;
      (place == 0   ? names.first
       : place == 1 ? names.second
       : place == 2 ? names.scenario
                    : names.trace) = hostile;
      INFO(place << " " << hostile.substr(0, 80));
      const auto charts = samples::charts_with(names);
      check_inert(report_page(samples::report(names, 2), charts, {.interactive = place != 1}));
    }
  }
}

TEST_CASE("the inert test sees what is planted") {
  std::string page = report_page(samples::report(), samples::all(), {.interactive = false});
  const auto at = page.find("<main");
  REQUIRE(at != std::string::npos);
  const Parsed planted(page.insert(at, "<img src=\"x\" onerror=\"1\">"));
  CHECK(std::any_of(planted.elements.begin(), planted.elements.end(),
                    [](const Element& element) { return element.name == "img"; }));
}

TEST_CASE("the page is the same twice, has no address and no time") {
  const auto data = samples::report({}, 2);
  const std::string page = report_page(data, samples::all(), {.interactive = false});
  CHECK(page == report_page(data, samples::all(), {.interactive = false}));
  CHECK_FALSE(has(page, "http:"));
  CHECK_FALSE(has(page, "https:"));
  CHECK(has(page, "default-src 'none'"));
  CHECK(has(page, "prefers-color-scheme"));
  CHECK(has(page, "@media print"));
  for (const auto* anchor : {"verdict", "scenario", "comparison", "figures", "appendix", "main"}) {
    CHECK(has(page, std::string("id=\"") + anchor + "\""));
  }
}

TEST_CASE("a figure has a picture, a caption and its numbers") {
  const std::string page = report_page(samples::report(), samples::all(), {.interactive = false});
  const Parsed parsed(page);
  const auto count = [&](const std::string& name) {
    return std::count_if(parsed.elements.begin(), parsed.elements.end(),
                         [&](const Element& element) { return element.name == name; });
  };
  CHECK(count("figure") == 4);
  CHECK(count("svg") == 4);
  CHECK(count("figcaption") == 4);
  CHECK(has(page, "Vertical lines are losses") == has(samples::lines().caption, "Vertical"));
  CHECK(has(page, "Throughput over time: 123 rows, the first 100 here"));
  CHECK(has(page, "The figures are pictures"));
  if (vega_script().empty()) return;
  const std::string drawn = report_page(samples::report(), samples::all());
  CHECK_FALSE(has(drawn, "The figures are pictures"));
  CHECK(has(drawn, "vega-lite 6."));  // its licence
  CHECK(has(drawn, "Redistribution and use in source and binary forms"));
}

TEST_CASE("the headline says no clear winner when the interval spans 1") {
  auto data = samples::report({}, 3);
  auto& pair = data.comparison.find("comparison")->items[0];
  CHECK(report_verdict(data).headline == "lazarus trains most");
  pair.member("low") = JsonNode::of(0.9);
  pair.member("high") = JsonNode::of(1.2);
  CHECK(report_verdict(data).headline == "No clear winner between lazarus and ds");
  CHECK(has(report_verdict(data).text, "no clear winner"));
  CHECK(report_verdict(samples::report()).headline == "lazarus trains most on this trace");
  CHECK(has(report_verdict(samples::report()).text, "One trace: no interval."));
}

TEST_CASE("a bound never leads and is never the best of a column") {
  auto data = samples::report({}, 2);
  data.comparison.find("policies")->items[0].member("bound") = JsonNode::of(true);
  CHECK(has(report_verdict(data).headline, "ds trains"));
  const ReportTable table = policies_table(data);
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0].is_bound);
  for (const auto& cell : table.rows[0].cells) CHECK_FALSE(cell.best);
}

TEST_CASE("the table has the numbers of the runs, and marks the best") {
  const auto data = samples::report();
  const ReportTable table = policies_table(data);
  REQUIRE(table.columns[1].title == "tokens/s");
  CHECK(table.rows[0].cells[1].text == "199");
  CHECK(table.rows[0].cells[1].value == 199.0);
  CHECK(table.rows[0].cells[1].best);
  CHECK_FALSE(table.rows[1].cells[1].best);
  CHECK(table.columns[2].title == "vs lazarus");
  CHECK(table.rows[1].cells[2].text == "0.764");
  CHECK(pairs_table(data).rows.empty());
  CHECK(pairs_table(samples::report({}, 2)).rows.size() == 1);
}

TEST_CASE("the card says what nobody knows, the warnings what to doubt") {
  const auto card = scenario_card(samples::report());
  const auto prices = std::find_if(card.begin(), card.end(),
                                   [](const auto& entry) { return entry.first == "Prices"; });
  REQUIRE(prices != card.end());
  CHECK(prices->second.rfind("UNKNOWN", 0) == 0);
  const auto warnings = report_warnings(samples::report());
  REQUIRE(warnings.size() == 2);
  CHECK(has(warnings[0], "assumed"));
  CHECK(has(warnings[1], "One trace only"));
}

TEST_CASE("a policy without a run is a row with its reason") {
  auto data = samples::report();
  auto& entry = data.comparison.find("policies")->items[1];
  entry.member("feasible") = JsonNode::of(false);
  entry.member("reason") = JsonNode::of("4 nodes hold no group");
  data.comparison.find("runs")->items[1].member("feasible") = JsonNode::of(false);
  CHECK(has(report_page(data, {}), "no run: 4 nodes hold no group"));
  CHECK(has(report_markdown(data), "no run: 4 nodes hold no group"));
}

TEST_CASE("a sweep has its points, and says that the best is the best of many") {
  ReportData data;
  data.scenario = parse_json(R"({"model": "gpt-s", "cluster": {"nodes": 4}})", "s");
  data.manifest =
      parse_json(R"({"schema": "bethany/sweep/1", "command": "bethany sweep s.json"})", "m");
  const auto add = [&](const std::string& policy, std::int64_t slots, const std::string& status) {
    JsonNode run;
    run.member("run_id") = JsonNode::of(policy);
    run.member("assignment").member("policy") = JsonNode::of(policy);
    run.member("assignment").member("cluster.slots_per_gpu") = JsonNode::of(slots);
    run.member("status") = JsonNode::of(status);
    run.member("reason") = status == "ok" ? JsonNode() : JsonNode::of("too few slots");
    run.member("replication") = JsonNode::of(std::int64_t{0});
    if (status == "ok") {
      run.member("result") =
          samples::report().comparison.find("runs")->items[policy == "ds" ? 1 : 0];
    }
    data.sweep_runs.push_back(run);
  };
  add("lazarus", 6, "ok");
  add("lazarus", 6, "ok");
  add("ds", 6, "ok");
  add("ds", 1, "infeasible");
  const ReportTable table = policies_table(data);
  REQUIRE(table.rows.size() == 3);
  CHECK(table.rows[0].cells[2].best);
  CHECK(table.rows[2].cells.back().text == "infeasible: too few slots");
  const auto verdict = report_verdict(data);
  CHECK(has(verdict.text, "3 of 4 runs have a result."));
  CHECK(has(verdict.text, "policy = lazarus and cluster.slots_per_gpu = 6: 199 tokens/s"));
  check_inert(report_page(data, {}));
  CHECK(has(report_markdown(data), "| lazarus |"));
}
