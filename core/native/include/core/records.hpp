// Builds streams of records: definitions and snapshots.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/layouts.hpp"

namespace core {

using Bytes = std::vector<std::byte>;

// Whether a command stands in groups, and nowhere else.
[[nodiscard]] constexpr bool is_group_member(std::uint16_t kind) noexcept {
  return kind == commands::EnterQuote::KIND;
}

// How many bytes a group takes behind its header, which is sound.
[[nodiscard]] inline std::size_t size_of_members(const commands::GroupHeader& header) noexcept {
  return header.group_left * sizeof(commands::EnterQuote);
}

class RecordStream {
 public:
  // Add a record whose fields are zero, but for its prefix. The reference holds until the next.
  template <class Record>
  Record& add() {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(Record));
    auto& record = *reinterpret_cast<Record*>(bytes_.data() + at);
    record.length = sizeof(Record);
    record.kind = Record::KIND;
    record.version = Record::VERSION;
    ++count_;
    return record;
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] Bytes take() noexcept { return std::move(bytes_); }

 private:
  Bytes bytes_;
  std::uint64_t count_ = 0;
};

}  // namespace core
