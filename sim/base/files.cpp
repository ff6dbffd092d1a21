#include "sim/base/files.h"

#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "sim/base/error.h"

namespace bethany {
namespace {

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Closer>;

void refuse_too_large(const std::string& path, std::size_t size) {
  if (size > kLargestInput) {
    throw InputError(fmt::format("{}: larger than {} GiB", path, kLargestInput >> 30));
  }
}

std::string read_all(std::FILE* file, const std::string& path) {
  std::string bytes;
  std::vector<char> buffer(1 << 18);
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file)) {
    bytes.append(buffer.data(), got);
    refuse_too_large(path, bytes.size());
  }
  if (std::ferror(file) != 0) {
    throw InputError(fmt::format("{}: cannot read: {}", path, std::strerror(errno)));
  }
  return bytes;
}

std::string gunzip(const std::string& packed, const std::string& path) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 32) != Z_OK) throw MachineError("zlib does not start");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard(&stream, inflateEnd);
  std::string bytes;
  std::vector<char> buffer(1 << 18);
  // zlib's interface lacks const; it does not write its input. It counts input in 32 bits.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  std::size_t left = packed.size();
  int state = Z_OK;
  while (state != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      stream.avail_in = static_cast<uInt>(std::min<std::size_t>(left, 1U << 30));
      left -= stream.avail_in;
    }
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = inflate(&stream, Z_NO_FLUSH);
    const std::size_t got = buffer.size() - stream.avail_out;
    bytes.append(buffer.data(), got);
    refuse_too_large(path, bytes.size());
    if ((state != Z_OK && state != Z_STREAM_END) ||
        (state == Z_OK && got == 0 && stream.avail_in == 0 && left == 0)) {
      throw InputError(fmt::format("{}: corrupt or truncated gzip data", path));
    }
  }
  return bytes;
}

std::string unzstd(const std::string& packed, const std::string& path) {
  const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                             ZSTD_freeDStream);
  std::string bytes;
  std::vector<char> buffer(ZSTD_DStreamOutSize());
  ZSTD_inBuffer input{packed.data(), packed.size(), 0};
  std::size_t wanted = 1;
  while (input.pos < input.size || wanted != 0) {
    ZSTD_outBuffer output{buffer.data(), buffer.size(), 0};
    const std::size_t before = input.pos;
    wanted = ZSTD_decompressStream(stream.get(), &output, &input);
    const bool stuck = output.pos == 0 && input.pos == before && wanted != 0;
    if (ZSTD_isError(wanted) != 0 || stuck) {
      throw InputError(fmt::format("{}: corrupt or truncated zstd data", path));
    }
    bytes.append(buffer.data(), output.pos);
    refuse_too_large(path, bytes.size());
  }
  return bytes;
}

}  // namespace

bool is_file_name(std::string_view text) {
  return text.ends_with(".json") || text.find('/') != std::string_view::npos;
}

std::string read_input(const std::string& path) {
  std::string bytes;
  if (path == "-") {
    bytes = read_all(stdin, "standard input");
  } else {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
      throw InputError(fmt::format("{}: is a directory", path));
    }
    const File file(std::fopen(path.c_str(), "rb"));
    if (!file) throw InputError(fmt::format("{}: cannot open: {}", path, std::strerror(errno)));
    bytes = read_all(file.get(), path);
  }
  if (bytes.starts_with("\x1f\x8b")) return gunzip(bytes, path);
  if (bytes.starts_with("\x28\xb5\x2f\xfd")) return unzstd(bytes, path);
  return bytes;
}

void write_output(const std::string& path, std::string_view bytes, bool overwrite) {
  std::error_code ignored;
  if (!overwrite && std::filesystem::exists(path, ignored)) {
    throw InputError(fmt::format("{}: exists already; --force overwrites it", path));
  }
  OutputFile file(path);
  file.write(bytes);
  file.finish();
}

struct OutputFile::State {
  std::string path;
  std::string temporary;
  File file;

  [[noreturn]] void fail() const {
    throw MachineError(fmt::format("{}: cannot write: {}", path, std::strerror(errno)));
  }
};

OutputFile::OutputFile(const std::string& path) : state_(std::make_unique<State>()) {
  state_->path = path;
  state_->temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  state_->file.reset(std::fopen(state_->temporary.c_str(), "wb"));
  if (!state_->file) state_->fail();
}

OutputFile::~OutputFile() {
  if (!state_->temporary.empty()) std::remove(state_->temporary.c_str());
}

void OutputFile::write(std::string_view bytes) {
  const bool written =
      std::fwrite(bytes.data(), 1, bytes.size(), state_->file.get()) == bytes.size();
  if (!written) state_->fail();
}

void OutputFile::finish() {
  const bool closed = std::fclose(state_->file.release()) == 0;
  if (!closed || std::rename(state_->temporary.c_str(), state_->path.c_str()) != 0) state_->fail();
  state_->temporary.clear();
}

void make_output_directory(const std::string& path, bool overwrite) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(path, error)) {
    if (!fs::is_directory(path, error)) {
      throw InputError(fmt::format("{}: exists and is no directory", path));
    }
    if (!overwrite && !fs::is_empty(path, error)) {
      throw InputError(fmt::format("{}: is not empty; --force overwrites it", path));
    }
    return;
  }
  if (!fs::create_directories(path, error) && error) {
    throw MachineError(fmt::format("{}: cannot make the directory: {}", path, error.message()));
  }
}

}  // namespace bethany
