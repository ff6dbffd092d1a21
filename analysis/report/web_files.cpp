#include "analysis/report/web_files.h"

// The assembler puts the bytes of the files here; gcc and clang both take it, and no compiler has
// to read 800 kB of text.
#define BETHANY_EMBED(name, file)                                    \
  asm(".section .rodata\n"                                           \
      ".global bethany_" name "_begin\n.global bethany_" name        \
      "_end\n"                                                       \
      ".hidden bethany_" name "_begin\n.hidden bethany_" name        \
      "_end\n"                                                       \
      "bethany_" name "_begin:\n.incbin \"" file "\"\nbethany_" name \
      "_end:\n"                                                      \
      ".byte 0\n.previous\n")

BETHANY_EMBED("style", BETHANY_WEB_SOURCE "/report.css");
BETHANY_EMBED("script", BETHANY_WEB_SOURCE "/report.js");
BETHANY_EMBED("vega", BETHANY_WEB_BUNDLE "/vega.js");
BETHANY_EMBED("licences", BETHANY_WEB_BUNDLE "/licences.txt");

extern "C" {
[[gnu::visibility("hidden")]] extern const char bethany_style_begin[];
[[gnu::visibility("hidden")]] extern const char bethany_style_end[];
[[gnu::visibility("hidden")]] extern const char bethany_script_begin[];
[[gnu::visibility("hidden")]] extern const char bethany_script_end[];
[[gnu::visibility("hidden")]] extern const char bethany_vega_begin[];
[[gnu::visibility("hidden")]] extern const char bethany_vega_end[];
[[gnu::visibility("hidden")]] extern const char bethany_licences_begin[];
[[gnu::visibility("hidden")]] extern const char bethany_licences_end[];
}

namespace bethany {

std::string_view report_style() { return {bethany_style_begin, bethany_style_end}; }
std::string_view report_script() { return {bethany_script_begin, bethany_script_end}; }
std::string_view vega_script() { return {bethany_vega_begin, bethany_vega_end}; }
std::string_view vega_licences() { return {bethany_licences_begin, bethany_licences_end}; }

}  // namespace bethany
