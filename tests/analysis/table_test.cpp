#include "analysis/table.h"

#include "analysis/number_text.h"
#include "tests/support/catch.h"

using namespace bethany;

namespace {

Table example() {
  Table table({{"policy", Align::left}, {"tokens"}, {"ratio"}});
  table.add({"lazarus", "19,900", "1.31"}, Emphasis::best);
  table.add({"ds", "15,200", "1"});
  table.add_note("tutel", "no run: 4 nodes hold no group of 16");
  return table;
}

}  // namespace

TEST_CASE("a table for people has aligned columns and no space at line ends") {
  CHECK(to_text(example()) ==
        "policy   tokens  ratio\n"
        "lazarus  19,900   1.31\n"
        "ds       15,200      1\n"
        "tutel    no run: 4 nodes hold no group of 16\n");
}

TEST_CASE("colour is there only when asked for") {
  CHECK(to_text(example()).find('\x1b') == std::string::npos);
  CHECK(to_text(example(), true) ==
        "\x1b[1mpolicy   tokens  ratio\x1b[0m\n"
        "\x1b[32mlazarus  19,900   1.31\x1b[0m\n"
        "ds       15,200      1\n"
        "\x1b[31mtutel    no run: 4 nodes hold no group of 16\x1b[0m\n");
}

TEST_CASE("csv quotes commas, quotes and line ends, and doubles quotes") {
  Table table({{"name"}, {"value"}});
  table.add({"plain", "1"});
  table.add({"a,b", "say \"x\""});
  table.add({"two\nlines", ""});
  CHECK(to_csv(table) ==
        "name,value\n"
        "plain,1\n"
        "\"a,b\",\"say \"\"x\"\"\"\n"
        "\"two\nlines\",\n");
  CHECK(to_csv(example()) ==
        "policy,tokens,ratio\n"
        "lazarus,\"19,900\",1.31\n"
        "ds,\"15,200\",1\n"
        "tutel,no run: 4 nodes hold no group of 16,\n");
}

TEST_CASE("markdown escapes pipes and markup") {
  Table table({{"name", Align::left}, {"value"}});
  table.add({"a|b", "<i>*x*_y_`z`\\[1]"});
  CHECK(to_markdown(table) ==
        "| name | value |\n"
        "| :--- | ---: |\n"
        "| a\\|b | &lt;i>\\*x\\*\\_y\\_\\`z\\`\\\\\\[1\\] |\n");
}

TEST_CASE("render chooses the format") {
  CHECK(render(example(), TableFormat::text) == to_text(example()));
  CHECK(render(example(), TableFormat::csv) == to_csv(example()));
  CHECK(render(example(), TableFormat::md) == to_markdown(example()));
}

TEST_CASE("characters count, not bytes") {
  Table table({{"n", Align::left}, {"v"}});
  table.add({"\xC3\xA9\xC3\xA9", "1"});  // two letters of two bytes
  table.add({"abc", "2"});
  CHECK(to_text(table) ==
        "n    v\n"
        "\xC3\xA9\xC3\xA9   1\n"
        "abc  2\n");
}

TEST_CASE("no text of a file reaches the terminal as an escape") {
  CHECK(one_line("a\x1b[31mb\x07") == "a?[31mb?");
  CHECK(one_line("two\nlines\tand\r") == "two lines and ");
  CHECK(one_line("\xC2\x9B"
                 "31m") == "?31m");  // CSI as one character
  CHECK(one_line("\xC3\xA9\xE2\x80\x93") == "\xC3\xA9\xE2\x80\x93");
  Table table({{"n"}});
  table.add({"\x1b[2J"});
  CHECK(to_text(table).find('\x1b') == std::string::npos);
}

TEST_CASE("an empty table is its header") {
  const Table table({{"a", Align::left}, {"b"}});
  CHECK(to_text(table) == "a  b\n");
  CHECK(to_csv(table) == "a,b\n");
  CHECK(to_markdown(table) == "| a | b |\n| :--- | ---: |\n");
}

TEST_CASE("numbers are rounded for people") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1'000) == "1,000");
  CHECK(grouped(-1'234'567) == "-1,234,567");
  CHECK(rounded(std::nullopt) == "-");
  CHECK(rounded(0.0) == "0");
  CHECK(rounded(0.001234) == "0.00123");
  CHECK(rounded(15.28) == "15.3");
  CHECK(rounded(999.6) == "1,000");
  CHECK(rounded(45'123.6) == "45,124");
  CHECK(rounded(1e18) == "1.000e+18");
  CHECK(rounded_bytes(0) == "0 B");
  CHECK(rounded_bytes(999) == "999 B");
  CHECK(rounded_bytes(3'220'000'000) == "3.22 GB");
}

TEST_CASE("a share is shown as 0 or 100 % only when it is exactly that") {
  CHECK(percent(std::nullopt) == "-");
  CHECK(percent(0.0) == "0 %");
  CHECK(percent(1.0) == "100 %");
  CHECK(percent(0.00001) == "<0.1 %");
  CHECK(percent(0.99999) == ">99.9 %");
  CHECK(percent(0.1234) == "12.3 %");
}
