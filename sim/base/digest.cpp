#include "sim/base/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <bit>

#include <xxhash.h>

#include "sim/base/check.h"

namespace bethany {

static_assert(std::endian::native == std::endian::little, "digests assume little-endian integers");

struct Digest::State {
  State() { XXH3_64bits_reset(xxh); }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* xxh = XXH3_createState();  // allocated by the library: it wants 64-byte alignment
};

Digest::Digest() : state_(std::make_unique<State>()) {}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::int64_t value) { XXH3_64bits_update(state_->xxh, &value, sizeof value); }

void Digest::add(std::span<const std::int32_t> values) {
  add(static_cast<std::int64_t>(values.size()));
  XXH3_64bits_update(state_->xxh, values.data(), values.size_bytes());
}

void Digest::add(std::string_view text) {
  add(static_cast<std::int64_t>(text.size()));
  XXH3_64bits_update(state_->xxh, text.data(), text.size());
}

std::uint64_t Digest::value() const { return XXH3_64bits_digest(state_->xxh); }

std::string Digest::hex() const { return fmt::format("{:016x}", value()); }

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int size = 0;
  const int done =
      EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, EVP_sha256(), nullptr);
  BETHANY_CHECK(done == 1, "SHA-256 of {} bytes", bytes.size());
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", hash[i]);
  return text;
}

}  // namespace bethany
