// A storage in memory, for tests.
#pragma once

#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/journal/format.hpp"
#include "core/journal/storage.hpp"

namespace core::journal {

using Content = std::vector<std::byte>;

// A folder in memory that can be told to fail, to hold every sync, and how much room it has.
class Memory {
 public:
  // Take part in one operation: on a segment (not the spare) or anything else.
  int use(const std::string& name, bool is_sync = false) {
    std::unique_lock lock(mutex);
    if (is_sync) {
      changed.wait(lock, [this] { return !holds_syncs; });
    }
    ++operations;
    if (failed_on == name && name != SPARE_NAME) {
      ++operations_after_failure;
    }
    if (failed_on.empty() && operations == fails_at) {
      failed_on = name;
      if (throws) {
        throw std::runtime_error("what nobody expects");
      }
      return error;
    }
    return 0;
  }

  void hold(bool holds) {
    {
      const std::lock_guard lock(mutex);
      holds_syncs = holds;
    }
    changed.notify_all();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::shared_ptr<Content>> files;
  std::size_t room = std::size_t{1} << 40;
  bool holds_syncs = false;
  int operations = 0;
  int fails_at = 0;
  int error = EIO;
  bool fails_on_new_files = false;
  bool throws = false;  // instead of returning the error
  std::string failed_on;
  int operations_after_failure = 0;
};

class MemoryFile final : public File {
 public:
  MemoryFile(Memory& memory, std::string name, std::shared_ptr<Content> content)
      : memory_(memory), name_(std::move(name)), content_(std::move(content)) {}

  int read(std::span<std::byte> data, std::uint64_t offset) override {
    const std::lock_guard lock(memory_.mutex);
    if (offset + data.size() > content_->size()) {
      return EIO;
    }
    std::memcpy(data.data(), content_->data() + offset, data.size());
    return 0;
  }
  int write(Bytes data, std::uint64_t offset) override {
    if (const int error = memory_.use(name_)) {
      return error;
    }
    const std::lock_guard lock(memory_.mutex);
    const std::size_t end = offset + data.size();
    if (end > content_->size()) {
      if (end - content_->size() > memory_.room) {
        return ENOSPC;
      }
      memory_.room -= end - content_->size();
      content_->resize(end);
    }
    std::memcpy(content_->data() + offset, data.data(), data.size());
    return 0;
  }
  int size(std::uint64_t& bytes) override {
    const std::lock_guard lock(memory_.mutex);
    bytes = content_->size();
    return 0;
  }
  int truncate(std::uint64_t bytes) override {
    if (const int error = memory_.use(name_)) {
      return error;
    }
    const std::lock_guard lock(memory_.mutex);
    memory_.room += content_->size() - bytes;
    content_->resize(bytes);
    return 0;
  }
  int sync() override { return memory_.use(name_, /*is_sync=*/true); }

 private:
  Memory& memory_;
  std::string name_;
  std::shared_ptr<Content> content_;
};

class MemoryStorage final : public Storage {
 public:
  explicit MemoryStorage(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}

  int names(std::vector<std::string>& found) override {
    const std::lock_guard lock(memory_->mutex);
    for (const auto& [name, content] : memory_->files) {
      found.push_back(name);
    }
    return 0;
  }
  int open(const std::string& name, bool create, std::unique_ptr<File>& file) override {
    if (const int error = memory_->use(name)) {
      return error;
    }
    const std::lock_guard lock(memory_->mutex);
    if (create && memory_->fails_on_new_files) {
      return EIO;
    }
    if (create) {
      drop(name);
      memory_->files[name] = std::make_shared<Content>();
    }
    const auto found = memory_->files.find(name);
    if (found == memory_->files.end()) {
      return ENOENT;
    }
    file = std::make_unique<MemoryFile>(*memory_, name, found->second);
    return 0;
  }
  int rename(const std::string& from, const std::string& to) override {
    if (const int error = memory_->use(from)) {
      return error;
    }
    const std::lock_guard lock(memory_->mutex);
    memory_->files[to] = memory_->files.at(from);
    memory_->files.erase(from);
    return 0;
  }
  int remove(const std::string& name) override {
    if (const int error = memory_->use(name)) {
      return error;
    }
    const std::lock_guard lock(memory_->mutex);
    drop(name);
    return 0;
  }
  int sync_names() override { return memory_->use("(names)", /*is_sync=*/true); }
  std::string describe(const std::string& name) override { return "memory:" + name; }

 private:
  void drop(const std::string& name) {
    const auto found = memory_->files.find(name);
    if (found != memory_->files.end()) {
      memory_->room += found->second->size();
      memory_->files.erase(found);
    }
  }

  std::shared_ptr<Memory> memory_;
};

}  // namespace core::journal
