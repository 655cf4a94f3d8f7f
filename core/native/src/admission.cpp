#include "core/admission.hpp"

#include "core/records.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace core::ingress {

namespace {

using commands::SHAPES;

// An emptied queue gives memory above this back.
constexpr std::size_t KEPT_BYTES_MAX = std::size_t{1} << 20;

const commands::Header& head_of(const std::byte* at) noexcept {
  return *reinterpret_cast<const commands::Header*>(at);
}

// What is wrong with a record that its link may not send.
std::uint16_t judge_unallowed(const commands::Header& command) noexcept {
  if (command.kind >= SHAPES.size() || SHAPES[command.kind].length == 0) {
    return code::RECORD_UNKNOWN_KIND;
  }
  return command.length != SHAPES[command.kind].length ? code::RECORD_WRONG_LENGTH
                                                       : code::SOURCE_NOT_AUTHORISED;
}

// The firm that a command of whole length names, and zero where its kind names none.
std::uint32_t firm_of(const commands::Header& command) noexcept {
  switch (command.kind) {
    case commands::CreateFirm::KIND:
      return reinterpret_cast<const commands::CreateFirm&>(command).firm;
    case commands::CreateAccount::KIND:
      return reinterpret_cast<const commands::CreateAccount&>(command).firm;
    case commands::GrantSession::KIND:
      return reinterpret_cast<const commands::GrantSession&>(command).firm;
    default:
      return 0;
  }
}

std::uint16_t judge_realm(const Realm& realm, const commands::Header& command) noexcept {
  if (command.account != 0 &&
      (command.account < realm.first_account || command.account > realm.last_account)) {
    return code::ACCOUNT_OUTSIDE_REALM;
  }
  if (command.session != 0 && command.session != realm.session &&
      (command.session < realm.first_timer || command.session > realm.last_timer)) {
    return code::SESSION_OUTSIDE_REALM;
  }
  const std::uint32_t firm = firm_of(command);
  return firm != 0 && firm != realm.firm ? code::FIRM_OUTSIDE_REALM : code::NONE;
}

}  // namespace

bool is_one_command(std::span<const std::byte> record) noexcept {
  if (record.size() < sizeof(commands::Header)) {
    return false;
  }
  const commands::Header& command = head_of(record.data());
  return command.kind < SHAPES.size() && command.length == record.size() &&
         command.length == SHAPES[command.kind].length;
}

RecordQueue::Part RecordQueue::first_of(std::size_t count) const noexcept {
  Part part;
  std::uint16_t group_left = 0;
  while (part.count < count || group_left != 0) {
    const commands::Header& command = head_of(front() + part.size);
    group_left = command.group_left;
    part.size += command.length;
    ++part.count;
  }
  return part;
}

bool RecordQueue::has(std::span<const std::byte> record) const noexcept {
  std::size_t at = begin_;
  while (at < bytes_.size()) {
    const std::size_t length = head_of(bytes_.data() + at).length;
    if (length == record.size() && std::memcmp(bytes_.data() + at, record.data(), length) == 0) {
      return true;
    }
    at += length;
  }
  return false;
}

void RecordQueue::reserve(std::size_t size) {
  if (bytes_.capacity() - bytes_.size() >= size) {
    return;
  }
  const std::size_t waiting = bytes_.size() - begin_;
  if (begin_ != 0 && begin_ >= waiting) {
    // At least as much has gone as has to move, so moving costs no more than adding did.
    std::memmove(bytes_.data(), front(), waiting);
    bytes_.resize(waiting);
    begin_ = 0;
  }
  if (bytes_.capacity() - bytes_.size() < size) {
    bytes_.reserve(std::max(2 * bytes_.capacity(), bytes_.size() + size));
  }
}

void RecordQueue::add(std::span<const std::byte> records, std::size_t count) {
  bytes_.insert(bytes_.end(), records.begin(), records.end());
  count_ += count;
}

void RecordQueue::drop(std::size_t count, std::size_t size) noexcept {
  begin_ += size;
  count_ -= count;
  if (count_ != 0) {
    return;
  }
  begin_ = 0;
  if (bytes_.capacity() > KEPT_BYTES_MAX) {
    bytes_ = {};
  } else {
    bytes_.clear();
  }
}

void Refused::add(const commands::Header& command, std::uint16_t code) {
  refusals.push_back(
      {command.source, command.epoch, command.source_sequence, code, command.kind, 0});
  const auto counted = std::find_if(codes.begin(), codes.end(),
                                    [code](const auto& each) { return each.first == code; });
  if (counted == codes.end()) {
    codes.emplace_back(code, 1);
  } else {
    ++counted->second;
  }
}

std::optional<Unwalkable> Admission::find_unwalkable(
    std::span<const std::byte> records) noexcept {
  std::size_t at = 0;
  while (at < records.size()) {
    const std::size_t left = records.size() - at;
    if (left < sizeof(commands::Header)) {
      return Unwalkable{"too few bytes for a command", at};
    }
    const std::size_t length = head_of(records.data() + at).length;
    if (length < sizeof(commands::Header)) {
      return Unwalkable{"a command shorter than its head", at};
    }
    if (length > left) {
      return Unwalkable{"a command that is cut short", at};
    }
    at += length;
  }
  return std::nullopt;
}

void Admission::admit(const std::shared_ptr<Inbox>& inbox, std::span<const std::byte> records,
                      Refused& refused) {
  // First all is judged and all memory is found; then all is queued, which cannot fail.
  std::vector<Run> runs;
  std::size_t accepted = 0;
  std::size_t begin = 0;  // of the accepted ones since the last refusal
  std::size_t before = 0;  // accepted ahead of them
  std::size_t at = 0;
  while (at < records.size()) {
    const Found found = find_command(records.subspan(at));
    const std::uint16_t code = judge(*inbox, records.subspan(at), found, accepted);
    if (code == code::NONE) [[likely]] {
      accepted += found.count;
    } else {
      runs.push_back({records.subspan(begin, at - begin), accepted - before});
      refused.add(head_of(records.data() + at), code);
      begin = at + found.size;
      before = accepted;
    }
    at += found.size;
  }
  if (accepted == 0) {
    return;
  }
  RecordQueue& queue = inbox->records;
  queue.reserve(records.size());
  if (queue.is_empty()) {
    active_.push_back(inbox);
  }
  for (const Run& run : runs) {
    queue.add(run.records, run.count);
  }
  queue.add(records.subspan(begin), accepted - before);
  queued_ += accepted;
}

// Find how far the command that begins here goes: a header and the records that count down to the
// end of its group, of the same source and number. A group that is broken off ends before what
// breaks it off.
Admission::Found Admission::find_command(std::span<const std::byte> records) noexcept {
  const commands::Header& first = head_of(records.data());
  Found found{1, first.length, true};
  if (first.kind != commands::GroupHeader::KIND) [[likely]] {
    found.is_whole = first.group_left == 0 && !is_group_member(first.kind);
    return found;
  }
  std::uint16_t left = first.group_left;
  found.is_whole = left != 0 && left <= GROUP_MEMBERS_MAX;
  for (; left != 0; --left) {
    if (found.size == records.size()) {
      break;
    }
    const commands::Header& member = head_of(records.data() + found.size);
    if (!is_group_member(member.kind) || member.group_left != left - 1 ||
        member.source != first.source || member.epoch != first.epoch ||
        member.source_sequence != first.source_sequence) {
      break;
    }
    found.size += member.length;
    ++found.count;
  }
  found.is_whole &= left == 0;
  return found;
}

// Whether a link may send a record, by its head, and where it is bound by the firm.
std::uint16_t Admission::judge_head(const Inbox& inbox,
                                    const commands::Header& command) noexcept {
  const std::uint16_t kind = command.kind;
  if (kind >= SHAPES.size() || !inbox.allowed[kind]) {
    return judge_unallowed(command);
  }
  if (command.length != SHAPES[kind].length) {
    return code::RECORD_WRONG_LENGTH;
  }
  if (command.version != SHAPES[kind].version) {
    return code::RECORD_WRONG_VERSION;
  }
  if (command.source >> SOURCE_BITS != inbox.principal) {
    return code::SOURCE_NOT_AUTHORISED;
  }
  return inbox.realm ? judge_realm(*inbox.realm, command) : code::NONE;
}

// A command at the begin of `records`, and a group as a whole; `before` records of the same frame
// are accepted and not queued yet.
std::uint16_t Admission::judge(const Inbox& inbox, std::span<const std::byte> records,
                               const Found& found, std::size_t before) const noexcept {
  const commands::Header& first = head_of(records.data());
  std::uint16_t code = judge_head(inbox, first);
  if (code == code::NONE && !found.is_whole) [[unlikely]] {
    code = code::GROUP_MALFORMED;
  }
  for (std::size_t at = first.length; code == code::NONE && at < found.size;) {
    const commands::Header& member = head_of(records.data() + at);
    code = judge_head(inbox, member);
    at += member.length;
  }
  if (code != code::NONE) [[unlikely]] {
    return code;
  }
  if (closed_with != code::NONE) {
    return closed_with;
  }
  const bool is_of_sessions = first.kind == commands::OpenSession::KIND ||
                              first.kind == commands::OpenSessionOnTerms::KIND ||
                              first.kind == commands::CloseSession::KIND;
  const std::size_t kept = is_of_sessions ? limits_.session_records_kept : 0;
  const std::size_t more = before + found.count;
  if (queued_ + more > limits_.queued_max + kept ||
      inbox.records.count() + more > limits_.queued_per_link_max + kept) {
    return code::QUEUE_FULL;
  }
  return code::NONE;
}

bool Admission::admit_own(std::span<const std::byte> record, Inbox* after) {
  if (!is_one_command(record)) {
    return false;
  }
  const bool follows = after != nullptr && !after->records.is_empty();
  if (!follows && own_.has(record)) {
    return true;
  }
  RecordQueue& queue = follows ? after->records : own_;
  queue.reserve(record.size());
  queue.add(record, 1);
  queued_ += follows ? 1 : 0;
  return true;
}

bool Admission::has_leftovers(std::uint32_t principal) const noexcept {
  return !own_.is_empty() ||
         std::any_of(active_.begin(), active_.end(), [principal](const auto& inbox) {
           return inbox->is_closed && inbox->principal == principal;
         });
}

// Say what the next batch takes from whom, and return its bytes.
std::size_t Admission::choose(std::size_t limit, std::span<const std::byte> first) {
  std::size_t left = limit - std::min<std::size_t>(limit, first.empty() ? 0 : 1);
  std::size_t size = first.size();
  const auto turn = [&left, &size](const RecordQueue& queue, std::size_t most) {
    const Turn taken = queue.first_of(std::min({most, left, queue.count()}));
    left -= std::min(left, taken.count);
    size += taken.size;
    return taken;
  };
  own_turn_ = turn(own_, left);
  turns_.clear();
  for (const std::shared_ptr<Inbox>& inbox : active_) {
    if (left == 0) {
      break;
    }
    turns_.push_back(turn(inbox->records, limits_.commands_per_link_max));
  }
  return size;
}

Batch Admission::move_to(std::byte* out, std::span<const std::byte> first,
                         const Stamp& stamp) noexcept {
  Batch batch;
  const auto put = [&](const std::byte* records, std::size_t size) {
    std::memcpy(out, records, size);
    const std::byte* const end = out + size;
    while (out != end) {
      auto& command = *reinterpret_cast<commands::Header*>(out);
      command.sequence = stamp.sequence + batch.count;
      command.time_ns = stamp.time_ns;
      if (command.source == own_source_) {
        command.source_sequence = command.sequence;
      }
      ++batch.kinds[command.kind];
      batch.count += command.group_left == 0 ? 1 : 0;  // the last of a group ends the command
      out += command.length;
    }
  };
  const auto drain = [&put](RecordQueue& queue, const Turn& turn) {
    if (turn.count == 0) {
      return;
    }
    put(queue.front(), turn.size);
    queue.drop(turn.count, turn.size);
  };
  if (!first.empty()) {
    put(first.data(), first.size());
  }
  drain(own_, own_turn_);
  for (std::size_t index = 0; index < turns_.size(); ++index) {
    drain(active_[index]->records, turns_[index]);
    queued_ -= turns_[index].count;
  }
  // Whoever had a turn waits behind all others for the next.
  const auto had_turns = static_cast<std::ptrdiff_t>(turns_.size());
  std::rotate(active_.begin(), active_.begin() + had_turns, active_.end());
  active_.erase(std::remove_if(active_.end() - had_turns, active_.end(),
                               [](const auto& inbox) { return inbox->records.is_empty(); }),
                active_.end());
  return batch;
}

}  // namespace core::ingress
