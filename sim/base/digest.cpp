#include "sim/base/digest.h"

#include <fmt/format.h>
#include <nettle/sha2.h>
#include <nettle/version.h>

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
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, bytes.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()));
  std::array<std::uint8_t, SHA256_DIGEST_SIZE> hash{};
#if NETTLE_VERSION_MAJOR >= 4
  sha256_digest(&context, hash.data());
#else
  sha256_digest(&context, hash.size(), hash.data());
#endif
  std::string text;
  for (const std::uint8_t byte : hash) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace bethany
