#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "core/journal/storage.hpp"

namespace core::journal {

namespace {

int outcome(int returned) noexcept { return returned < 0 ? errno : 0; }

class PosixFile final : public File {
 public:
  explicit PosixFile(int descriptor) noexcept : descriptor_(descriptor) {}
  ~PosixFile() override { ::close(descriptor_); }

  int read(std::span<std::byte> data, std::uint64_t offset) override {
    while (!data.empty()) {
      const ssize_t got =
          ::pread(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
      if (got < 0 && errno != EINTR) {
        return errno;
      }
      if (got == 0) {
        return EIO;
      }
      if (got > 0) {
        data = data.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
      }
    }
    return 0;
  }

  int write(Bytes data, std::uint64_t offset) override {
    return write_whole(
        [this](Bytes some, std::uint64_t at) {
          return ::pwrite(descriptor_, some.data(), some.size(), static_cast<off_t>(at));
        },
        data, offset);
  }

  int size(std::uint64_t& bytes) override {
    struct stat about {};
    if (::fstat(descriptor_, &about) < 0) {
      return errno;
    }
    bytes = static_cast<std::uint64_t>(about.st_size);
    return 0;
  }

  int truncate(std::uint64_t bytes) override {
    return outcome(::ftruncate(descriptor_, static_cast<off_t>(bytes)));
  }

  int sync() override { return outcome(::fdatasync(descriptor_)); }

 private:
  int descriptor_;
};

}  // namespace

int PosixStorage::names(std::vector<std::string>& found) {
  DIR* folder = ::opendir(folder_.c_str());
  if (folder == nullptr) {
    return errno;
  }
  found.clear();
  errno = 0;
  while (const dirent* entry = ::readdir(folder)) {
    found.emplace_back(entry->d_name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(folder);
  return error;
}

int PosixStorage::open(const std::string& name, bool create, std::unique_ptr<File>& file) {
  const int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_TRUNC : 0);
  const int descriptor = ::open(describe(name).c_str(), flags, 0600);
  if (descriptor < 0) {
    return errno;
  }
  file = std::make_unique<PosixFile>(descriptor);
  return 0;
}

int PosixStorage::rename(const std::string& from, const std::string& to) {
  return outcome(std::rename(describe(from).c_str(), describe(to).c_str()));
}

int PosixStorage::remove(const std::string& name) {
  const int error = outcome(::unlink(describe(name).c_str()));
  return error == ENOENT ? 0 : error;
}

int PosixStorage::sync_names() {
  const int descriptor = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    return errno;
  }
  const int error = outcome(::fsync(descriptor));
  ::close(descriptor);
  return error;
}

std::string PosixStorage::describe(const std::string& name) { return folder_ + "/" + name; }

}  // namespace core::journal
