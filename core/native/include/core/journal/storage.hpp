// The storage port: one flat folder of files, with the promises of runtime/storage.py.
//
// Every call returns 0, or the errno of what failed; FOREIGN if there is none, which an adapter of
// something else than the kernel's files explains by its own means.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/journal/checksum.hpp"

namespace core::journal {

inline constexpr int FOREIGN = -1;

// An open file; letting it go makes nothing durable.
class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;

  // Read all of `data`; fewer bytes there than that are an error (EIO).
  [[nodiscard]] virtual int read(std::span<std::byte> data, std::uint64_t offset) = 0;
  [[nodiscard]] virtual int write(Bytes data, std::uint64_t offset) = 0;
  [[nodiscard]] virtual int size(std::uint64_t& bytes) = 0;
  [[nodiscard]] virtual int truncate(std::uint64_t bytes) = 0;
  // Done once everything written is durable. An error is final: a second try may lie.
  [[nodiscard]] virtual int sync() = 0;
};

class Storage {
 public:
  Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  virtual ~Storage() = default;

  [[nodiscard]] virtual int names(std::vector<std::string>& found) = 0;
  // For reading and writing; with `create` it is made anew and empty.
  [[nodiscard]] virtual int open(const std::string& name, bool create,
                                 std::unique_ptr<File>& file) = 0;
  [[nodiscard]] virtual int rename(const std::string& from, const std::string& to) = 0;
  // Not there is as good as removed.
  [[nodiscard]] virtual int remove(const std::string& name) = 0;
  [[nodiscard]] virtual int sync_names() = 0;
  // What to call a file in messages to people.
  [[nodiscard]] virtual std::string describe(const std::string& name) = 0;
};

// Write all of `data` by calls that may each write less: `write_some(data, offset)` returns how
// many bytes it wrote, or -1 with errno set, as pwrite does.
template <class WriteSome>
[[nodiscard]] int write_whole(WriteSome write_some, Bytes data, std::uint64_t offset) {
  while (!data.empty()) {
    const auto written = write_some(data, offset);
    if (written < 0 && errno != EINTR) {
      return errno;
    }
    if (written == 0) {
      return EIO;  // no progress and no reason: never try for ever
    }
    if (written > 0) {
      data = data.subspan(static_cast<std::size_t>(written));
      offset += static_cast<std::uint64_t>(written);
    }
  }
  return 0;
}

// A folder on a disk, which is there.
class PosixStorage final : public Storage {
 public:
  explicit PosixStorage(std::string folder) : folder_(std::move(folder)) {}

  [[nodiscard]] int names(std::vector<std::string>& found) override;
  [[nodiscard]] int open(const std::string& name, bool create,
                         std::unique_ptr<File>& file) override;
  [[nodiscard]] int rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] int remove(const std::string& name) override;
  [[nodiscard]] int sync_names() override;
  [[nodiscard]] std::string describe(const std::string& name) override;

 private:
  std::string folder_;
};

}  // namespace core::journal
