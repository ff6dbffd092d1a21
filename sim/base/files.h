#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace bethany {

/// Largest input, after decompression, that is read into memory.
constexpr std::size_t kLargestInput = std::size_t{4} << 30;

/// Whether a text that may be a name or a file is meant as a file: it ends in `.json` or has a `/`.
bool is_file_name(std::string_view text);

/// The bytes of a file ("-": standard input), decompressed when it is gzip or zstd by its first
/// bytes. Throws InputError when it cannot be read, is corrupt, or larger than kLargestInput.
std::string read_input(const std::string& path);

/// Writes to a temporary name beside `path`, then renames, so that a reader sees all or nothing.
/// Throws InputError when the file exists and not `overwrite`, MachineError when it cannot write.
void write_output(const std::string& path, std::string_view bytes, bool overwrite);

/// A file written piece by piece under a temporary name beside `path` until finish() renames it;
/// without finish() nothing is left. Throws MachineError when it cannot write.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void write(std::string_view bytes);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Makes the directory for a command's output. Throws InputError when it exists, is not empty and
/// not `overwrite`; MachineError when it cannot be made.
void make_output_directory(const std::string& path, bool overwrite);

}  // namespace bethany
