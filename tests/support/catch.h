#pragma once

// Catch2 2.13 (Debian 12) has one header; Catch2 3 has many. Tests include this file only.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
