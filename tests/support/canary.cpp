#include "sim/base/check.h"

int main() {
  BETHANY_CHECK(1 + 1 == 3, "the canary sings");
  return 0;
}
