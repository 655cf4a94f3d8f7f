// Feeds damaged commands and damaged snapshots to the engine: core_fuzz COMMANDS SEED ROUNDS
//
// Whatever it is given, the engine refuses it or is in a state that it can write down and take
// over again; a refused batch changed nothing. Admission is given frames of the same and of noise,
// and all that reads events is given damaged ones. Meant for the sanitizers' build.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <vector>

#include "core/admission.hpp"
#include "core/engine.hpp"
#include "core/records.hpp"
#include "damage.hpp"
#include "fuzz_events.hpp"

namespace {

using core::Bytes;
using core::Status;
using fuzz::below;
using fuzz::Chance;
using fuzz::damage;
using fuzz::fail;

// A group is one command of several records.
std::vector<Bytes> read_commands(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  std::vector<Bytes> found;
  std::size_t begin = 0;
  for (std::size_t at = 0; at + sizeof(core::commands::Header) <= text.size();) {
    const auto& command = *reinterpret_cast<const core::commands::Header*>(data + at);
    if (command.length == 0 || at + command.length > text.size()) {
      break;
    }
    at += command.length;
    if (command.group_left == 0) {
      found.emplace_back(data + begin, data + at);
      begin = at;
    }
  }
  return found;
}

// Number and stamp a command as the sequencer would, so that it gets as far as it can.
void number(const core::Engine& engine, Bytes& command) {
  const std::int64_t time_ns =
      std::max(reinterpret_cast<const core::commands::Header*>(command.data())->time_ns,
               engine.last_time_ns());
  for (std::size_t at = 0; at + sizeof(core::commands::Header) <= command.size();) {
    auto& header = *reinterpret_cast<core::commands::Header*>(command.data() + at);
    header.sequence = engine.last_sequence() + 1;
    header.time_ns = time_ns;
    if (header.length == 0) {
      return;
    }
    at += header.length;
  }
}

bool give(core::Engine& engine, const Bytes& record, Bytes& output) {
  std::span<const std::byte> events;
  const std::uint64_t before = engine.last_sequence();
  const core::Outcome outcome =
      engine.apply(record, {output.data(), output.size()}, events);
  if (outcome.status == Status::MALFORMED && engine.last_sequence() != before) {
    fail("a refused batch changed something");
  }
  return outcome.status == Status::DONE || outcome.status == Status::MALFORMED;
}

void require_restorable(const core::Engine& engine, const Bytes& snapshot) {
  core::Engine other;
  if (const core::Outcome outcome = other.restore(snapshot); outcome.status != Status::DONE) {
    fail(outcome.what);
  }
  if (other.snapshot() != snapshot || other.definitions() != engine.definitions() ||
      other.balances() != engine.balances() ||
      other.next_deadline() != engine.next_deadline()) {
    fail("a restored state is another one");
  }
}

// Apply records, some damaged; say whether the engine lived.
bool run(core::Engine& engine, const std::vector<Bytes>& records, std::size_t from,
         std::size_t count, unsigned damaged_percent, Chance& chance) {
  Bytes output(below(chance, 3) * 400);
  for (std::size_t at = from; at < std::min(records.size(), from + count); ++at) {
    Bytes record = records[at];
    if (below(chance, 100) < damaged_percent) {
      const std::size_t untouched = below(chance, 10) == 0 ? 0 : 24;
      damage(chance, record, untouched);
      if (below(chance, 20) == 0) {
        record.resize(below(chance, record.size() + 1));
      }
    }
    if (record.size() >= sizeof(core::commands::Header)) {
      number(engine, record);
    }
    if (!give(engine, record, output)) {
      return false;
    }
  }
  return true;
}

void damage_snapshots(const Bytes& snapshot, const std::vector<Bytes>& records,
                      std::size_t from, Chance& chance) {
  for (int time = 0; time < 40; ++time) {
    Bytes damaged = snapshot;
    if (below(chance, 8) == 0) {
      damaged.resize(below(chance, damaged.size()));
    } else {
      damage(chance, damaged, 0);
    }
    core::Engine engine;
    if (engine.restore(damaged).status != Status::DONE) {
      continue;
    }
    if (engine.snapshot() != damaged) {
      fail("a state was taken over that is written otherwise");
    }
    if (run(engine, records, from, 300, 5, chance)) {
      static_cast<void>(engine.snapshot());
    }
  }
}

core::commands::Header& command_at(Bytes& data, std::size_t at) {
  return *reinterpret_cast<core::commands::Header*>(data.data() + at);
}

// A frame of commands, some damaged, cut short or followed by noise, in memory that ends with it.
Bytes make_frame(const std::vector<Bytes>& records, std::uint32_t principal, Chance& chance) {
  Bytes frame;
  for (std::size_t count = below(chance, 20); count != 0; --count) {
    Bytes record = records[below(chance, records.size())];
    auto& command = command_at(record, 0);
    command.source = principal << core::SOURCE_BITS | (command.source & 3);
    if (below(chance, 4) == 0) {
      damage(chance, record, below(chance, 3) == 0 ? 0 : 4);
    }
    frame.insert(frame.end(), record.begin(), record.end());
  }
  if (below(chance, 5) == 0) {
    frame.resize(below(chance, frame.size() + 100));
  }
  for (std::size_t count = below(chance, 8) == 0 ? below(chance, 200) : 0; count != 0; --count) {
    frame.push_back(static_cast<std::byte>(below(chance, 2) == 0 ? chance() : 0));
  }
  frame.shrink_to_fit();
  return frame;
}

// Admission beside plain lists of what it must hold.
class AdmissionFuzz {
 public:
  AdmissionFuzz(const std::vector<Bytes>& records, Chance& chance)
      : records_(records),
        chance_(chance),
        per_link_max_(1 + below(chance, 200)),
        admission_({per_link_max_, 1 + below(chance, 500), 1 + below(chance, 1000),
                    below(chance, 50)},
                   OWN) {
    core::ingress::Inbox::Kinds kinds;
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      kinds[kind] = core::commands::SHAPES[kind].length != 0 && below(chance, 8) != 0;
    }
    for (std::uint32_t principal = 2; principal < 6; ++principal) {
      std::optional<core::ingress::Realm> realm;
      if (below(chance, 2) != 0) {
        realm = core::ingress::Realm{1, static_cast<std::uint32_t>(below(chance, 20)), 1, 5, 9, 1};
      }
      links_.push_back({std::make_shared<core::ingress::Inbox>(principal, kinds, realm), {}});
    }
  }

  void run(std::size_t steps) {
    for (; steps != 0; --steps) {
      switch (below(chance_, 8)) {
        case 0:
          admission_.closed_with =
              below(chance_, 4) == 0 ? core::code::STORAGE_FULL : core::code::NONE;
          break;
        case 1:
          admit_own();
          break;
        case 2:
        case 3:
          take(1 + below(chance_, 600));
          break;
        default:
          admit(links_[below(chance_, links_.size())]);
      }
    }
    while (!admission_.is_empty()) {
      take(1000);
    }
    if (admission_.queued() != 0 || !own_.empty()) {
      fail("an empty admission has records");
    }
  }

 private:
  static constexpr std::uint32_t OWN = 1U << core::SOURCE_BITS;

  struct Link {
    std::shared_ptr<core::ingress::Inbox> inbox;
    std::deque<Bytes> expected;
  };

  void admit(Link& link) {
    Bytes frame = make_frame(records_, link.inbox->principal, chance_);
    if (const auto bad = core::ingress::Admission::find_unwalkable(frame)) {
      if (bad->at >= frame.size()) {
        fail("a frame is unwalkable beyond its end");
      }
      return;
    }
    name_commands(frame);
    core::ingress::Refused refused;
    admission_.admit(link.inbox, frame, refused);
    std::set<std::uint64_t> refused_names;
    for (const core::ingress::Refusal& refusal : refused.refusals) {
      refused_names.insert(refusal.source_sequence);
    }
    for (std::size_t at = 0; at < frame.size();) {
      const core::commands::Header& command = command_at(frame, at);
      if (!refused_names.contains(command.source_sequence)) {
        link.expected.emplace_back(frame.data() + at, frame.data() + at + command.length);
      }
      at += command.length;
    }
    if (link.inbox->records.count() != link.expected.size()) {
      fail("commands are neither refused nor queued");
    }
  }

  // A name of its own for each command, so that refusals can be told apart.
  void name_commands(Bytes& frame) {
    std::uint16_t group_left = 0;
    for (std::size_t at = 0; at < frame.size(); at += command_at(frame, at).length) {
      core::commands::Header& command = command_at(frame, at);
      const bool is_same_group = group_left != 0 && command.group_left == group_left - 1 &&
                                 core::is_group_member(command.kind);
      named_ += is_same_group ? 0 : 1;
      command.source_sequence = named_;
      group_left = command.group_left;
    }
  }

  void admit_own() {
    Bytes record(sizeof(core::commands::LinkLost));
    auto& command = command_at(record, 0);
    command.length = sizeof(core::commands::LinkLost);
    command.kind = core::commands::LinkLost::KIND;
    command.source = OWN;
    command.received_at_ns = static_cast<std::int64_t>(++named_);  // tells it from others
    Link& link = links_[below(chance_, links_.size())];
    const bool follows = below(chance_, 2) == 0;
    if (!admission_.admit_own(record, follows ? link.inbox.get() : nullptr)) {
      fail("a command of the sequencer's own is none");
    }
    (follows && !link.expected.empty() ? link.expected : own_).push_back(record);
    record.resize(below(chance_, record.size()));
    record.shrink_to_fit();
    if (admission_.admit_own(record, nullptr)) {
      fail("half a command is one");
    }
  }

  void take(std::size_t limit) {
    Bytes out;
    Bytes first;
    if (below(chance_, 2) == 0) {
      first = records_[below(chance_, records_.size())];
      if (command_at(first, 0).group_left != 0) {
        first.clear();  // what goes ahead of all is no group
      }
    }
    const core::ingress::Batch batch =
        admission_.take(limit, first, {sequence_, 9}, [&out](std::size_t size) {
          out = Bytes(size);
          return out.data();
        });
    if (batch.count > limit) {
      fail("a batch is above its limit");
    }
    std::vector<std::size_t> turns(links_.size());
    std::size_t at = 0;
    const std::uint64_t after = sequence_ + batch.count;
    while (at < out.size()) {
      const core::commands::Header& command = command_at(out, at);
      if (command.sequence != sequence_ || command.time_ns != 9) {
        fail("a record is stamped wrongly");
      }
      sequence_ += command.group_left == 0 ? 1 : 0;
      Bytes record(out.data() + at, out.data() + at + command.length);
      const bool is_first = at == 0 && !first.empty();
      at += command.length;
      if (is_first ? !is_same(first, record) : !pop_expected(record, turns)) {
        fail("a batch holds what was not next");
      }
    }
    if (at != out.size() || sequence_ != after) {
      fail("a batch does not end with its last command");
    }
    for (const std::size_t count : turns) {
      if (count > per_link_max_) {
        fail("a link had more than its share");
      }
    }
  }

  bool pop_expected(Bytes& record, std::vector<std::size_t>& turns) {
    if (!own_.empty() && is_same(own_.front(), record)) {
      own_.pop_front();
      return true;
    }
    for (std::size_t index = 0; index < links_.size(); ++index) {
      std::deque<Bytes>& expected = links_[index].expected;
      if (!expected.empty() && is_same(expected.front(), record)) {
        expected.pop_front();
        turns[index] += command_at(record, 0).group_left == 0 ? 1 : 0;
        return true;
      }
    }
    return false;
  }

  // Whether a record of the batch is what was queued, but for its stamp.
  static bool is_same(const Bytes& queued, Bytes& stamped) {
    Bytes expected = queued;
    auto& command = command_at(expected, 0);
    const core::commands::Header& found = command_at(stamped, 0);
    command.sequence = found.sequence;
    command.time_ns = found.time_ns;
    if (command.source == OWN) {
      command.source_sequence = found.sequence;
    }
    return expected == stamped;
  }

  const std::vector<Bytes>& records_;
  Chance& chance_;
  std::size_t per_link_max_;
  core::ingress::Admission admission_;
  std::vector<Link> links_;
  std::deque<Bytes> own_;
  std::uint64_t named_ = 0;
  std::uint64_t sequence_ = 1;
};

Bytes events_of(const std::vector<Bytes>& records) {
  core::Engine engine;
  Bytes all;
  for (Bytes record : records) {
    number(engine, record);
    std::span<const std::byte> events;
    if (engine.apply(record, {}, events).status != Status::DONE) {
      fail("an undamaged command is refused");
    }
    all.insert(all.end(), events.begin(), events.end());
  }
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: core_fuzz COMMANDS SEED ROUNDS\n");
    return 64;
  }
  const std::vector<Bytes> records = read_commands(arguments[1]);
  Chance chance(std::strtoull(arguments[2], nullptr, 10));
  const int rounds = std::atoi(arguments[3]);
  const Bytes events = events_of(records);
  fuzz::EventFuzz readers(events, chance);
  for (int round = 0; round < rounds; ++round) {
    AdmissionFuzz(records, chance).run(200);
    readers.run();
    const core::Settings settings{chance(), below(chance, 3) == 0 ? 3U : 20'000U};
    core::Engine engine(settings);
    const auto percent = static_cast<unsigned>(below(chance, 4) * 7);
    const std::size_t length = 100 + below(chance, records.size());
    // The set-up is damaged rarely: without it little else can happen.
    const std::size_t set_up = std::min<std::size_t>(records.size(), 100);
    if (!run(engine, records, 0, set_up, below(chance, 5) == 0 ? percent : 0, chance) ||
        !run(engine, records, set_up, length, percent, chance)) {
      continue;
    }
    const Bytes snapshot = engine.snapshot();
    require_restorable(engine, snapshot);
    damage_snapshots(snapshot, records, below(chance, records.size()), chance);
  }
  std::printf("%d rounds over %zu records\n", rounds, records.size());
  return 0;
}
