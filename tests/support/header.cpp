// Carries the precompiled header of all suites; it has no code of its own.
#include "tests/support/catch.h"
