#include "analysis/report/clean_text.h"

#include "tests/support/catch.h"

using namespace bethany;

namespace {

const std::string kBad = "\xEF\xBF\xBD";

}  // namespace

TEST_CASE("clean text is UTF-8 that hides nothing") {
  CHECK(clean_text("plain é 漢 🙂") == "plain é 漢 🙂");
  CHECK(clean_text("a\nb\tc\r") == "a b c ");
  CHECK(clean_text(std::string("\0\x1b\x7f", 3)) == kBad + kBad + kBad);
  CHECK(clean_text("\xC2\x85") == kBad);                                // a control character of C1
  CHECK(clean_text("\xE2\x80\xAEx\xE2\x81\xA9") == kBad + "x" + kBad);  // turn round, turn back
  CHECK(clean_text("\xE2\x80\xA8\xE2\x80\xA9") == "  ");
  // Alone, overlong, a surrogate, beyond the last code point, cut short.
  CHECK(clean_text("\xff") == kBad);
  CHECK(clean_text("\xC0\xAF") == kBad + kBad);
  CHECK(clean_text("\xED\xA0\x80") == kBad + kBad + kBad);
  CHECK(clean_text("\xF4\x90\x80\x80") == kBad + kBad + kBad + kBad);
  CHECK(clean_text("a\xE6\xBC") == "a" + kBad + kBad);
}

TEST_CASE("short text counts characters, not bytes") {
  CHECK(short_text("abcd", 4) == "abcd");
  CHECK(short_text("abcde", 4) == "abc…");
  CHECK(short_text("éééé", 3) == "éé…");
  CHECK(length_of("é漢a") == 3);
}

TEST_CASE("markup is text in HTML and in scripts") {
  CHECK(html_text("<a href=\"x\">&'") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
  CHECK(script_json("\"</script>&\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xA6\"") ==
        "\"\\u003c/script\\u003e\\u0026\\u2028\\u2029\xE2\x80\xA6\"");
}
