#include "core/engine.hpp"

#include <algorithm>
#include <new>

#include "core/handlers.hpp"
#include "core/snapshot.hpp"

namespace core {

namespace {

// The length of each kind's record; 0 for kinds that are none.
constexpr std::array<std::uint16_t, 64> LENGTHS = [] {
  std::array<std::uint16_t, 64> lengths{};
  const auto set = [&lengths]<class... Command>(std::tuple<Command...>*) {
    ((lengths[Command::KIND] = sizeof(Command)), ...);
  };
  using namespace commands;
  set(static_cast<std::tuple<
          PlaceOrder, CancelOrder, AmendOrder, MassCancel, QueryOrder, RecordRefusal, OpenSession,
          CloseSession, LinkLost, Credit, Debit, ReserveWithdrawal, CommitWithdrawal,
          ReleaseWithdrawal, CreateAsset, CreateInstrument, CreateFirm, CreateAccount,
          SetAccountLimits, SetAssetLimits, DefineFeeSchedule, AssignFeeSchedule, GrantSession,
          SetInstrumentLimits, ConfigureVenue, ChangePhase, Kill, Resume, ActivateRules,
          GroupHeader, AdvanceTime>*>(nullptr));
  return lengths;
}();

// Kinds of later versions: quotes, lists, transfers, busts. Refused, whatever they hold.
constexpr bool is_reserved(std::uint16_t kind) noexcept {
  return (kind >= 10 && kind <= 19) || kind == 25 || kind == 44 || kind == 45;
}

// How far ahead of its turn each part of what will be forgotten is fetched.
constexpr std::size_t GONE_ORDER = 64;
constexpr std::size_t GONE_WALKED = 48;

// How far ahead of the check the commands themselves are fetched, in bytes.
constexpr std::size_t FETCH_AHEAD = 2048;

const commands::Header& header_at(const std::byte* at) noexcept {
  return *reinterpret_cast<const commands::Header*>(at);
}

}  // namespace

Outcome Engine::check(std::span<const std::byte> commands) const noexcept {
  const std::byte* const begin = commands.data();
  const std::size_t size = commands.size();
  std::uint64_t sequence = venue_->last_sequence;
  std::int64_t time_ns = venue_->last_time_ns;
  std::size_t at = 0;
  const auto malformed = [&at](const char* what) {
    return Outcome{Status::MALFORMED, what, at};
  };
  while (at < size) {
    if (size - at < sizeof(commands::Header)) {
      return malformed("the record is cut short");
    }
    const commands::Header& command = header_at(begin + at);
    for (std::size_t line = 0; line < 256; line += 64) {
      fetch(begin + at + FETCH_AHEAD + line);
    }
    const std::uint16_t kind = command.kind;
    const std::uint16_t expected = kind < LENGTHS.size() ? LENGTHS[kind] : 0;
    if (command.length != expected || command.length > size - at) [[unlikely]] {
      if (command.length > size - at) {
        return malformed("the record is cut short");
      }
      if (!is_reserved(kind)) {
        return malformed(expected == 0 ? "the record's kind is unknown"
                                       : "the record's length is not its kind's");
      }
      if (command.length < sizeof(commands::Header)) {
        return malformed("the record is shorter than a header");
      }
    }
    if (command.version != 1) [[unlikely]] {
      return malformed("the record's version is unknown");
    }
    if (command.sequence != ++sequence || sequence == 0) [[unlikely]] {
      return malformed("the record is out of sequence");
    }
    if (command.time_ns < time_ns || command.time_ns >= AMOUNT_LIMIT) [[unlikely]] {
      return malformed("the record's stamp goes back, or is beyond all clocks");
    }
    time_ns = command.time_ns;
    at += command.length;
  }
  return {};
}

Engine::Prepared Engine::prepare(const commands::Header& command) noexcept {
  if (command.kind > commands::AmendOrder::KIND) {
    return {};
  }
  const std::uint32_t account = venue_->find_account(command.account);
  const auto ready = [&](const Text<40>& text, std::uint64_t order_id) {
    const std::uint32_t hash = venue_->client_ids.hash(account, text);
    venue_->client_ids.prefetch(hash);
    std::uint32_t order = 0;
    if (order_id != 0) {
      order = venue_->order_ids.find(order_id);
      venue_->orders.prefetch(order);
    }
    return Prepared{account, hash, order};
  };
  const auto* data = reinterpret_cast<const std::byte*>(&command);
  if (command.kind == commands::PlaceOrder::KIND) {
    return ready(reinterpret_cast<const commands::PlaceOrder*>(data)->client_order_id, 0);
  }
  if (command.kind == commands::CancelOrder::KIND) {
    const auto* cancel = reinterpret_cast<const commands::CancelOrder*>(data);
    return ready(cancel->client_order_id, cancel->order_id);
  }
  const auto* amend = reinterpret_cast<const commands::AmendOrder*>(data);
  return ready(amend->client_order_id, amend->order_id);
}

// Bring near what will be forgotten soon: the orders, and then, id by id, each id and its place in
// the table.
void Engine::prefetch_gone() noexcept {
  Venue& venue = *venue_;
  if (venue.gone.size() <= GONE_ORDER) {
    return;
  }
  if (const std::uint32_t order = venue.gone.at(GONE_ORDER).order; order != 0) {
    venue.orders.prefetch(order);
  }
  fetch(&venue.gone.at(GONE_ORDER + 16));  // the queue itself; any place in the ring will do
  walk(walkers_[next_walker_ % walkers_.size()]);
  walk(walkers_[(next_walker_ + 1) % walkers_.size()]);
  next_walker_ += 2;
}

void Engine::walk(Walker& walker) noexcept {
  Venue& venue = *venue_;
  if (walker.id != 0) {
    const ClientIdNode& node = venue.client_ids.node(walker.id);
    venue.client_ids.prefetch(node.hash);
    walker.id = node.next;
  } else {
    const std::size_t front = venue.gone.front_position();
    if (next_walked_ < front || next_walked_ > front + GONE_ORDER) {
      next_walked_ = front + GONE_ORDER / 2;
    }
    if (next_walked_ - front >= GONE_WALKED) {
      return;
    }
    const Gone& gone = venue.gone.at(next_walked_++ - front);
    walker.id = gone.order != 0 ? venue.orders.cold(gone.order).first_id : gone.id;
  }
  fetch(&venue.client_ids.node(walker.id));
}

Outcome Engine::apply(std::span<const std::byte> commands, Output output,
                      std::span<const std::byte>& events) noexcept {
  if (venue_->is_broken) {
    return {Status::BROKEN, "the engine failed before", 0};
  }
  if (const Outcome outcome = check(commands); outcome.status != Status::DONE) {
    return outcome;
  }
  const std::byte* const begin = commands.data();
  const std::byte* const end = begin + commands.size();
  std::array<Prepared, LOOK_AHEAD> prepared;
  const std::byte* ahead = begin;
  std::size_t place = 0;
  const auto look_ahead = [&] {
    if (ahead != end) {
      prepared[place] = prepare(header_at(ahead));
      ahead += header_at(ahead).length;
    }
    place = (place + 1) % LOOK_AHEAD;
  };
  venue_->events.begin_batch(output);
  try {
    for (std::size_t count = 0; count < LOOK_AHEAD; ++count) {
      look_ahead();
    }
    for (const std::byte* at = begin; at != end;) {
      const commands::Header& command = header_at(at);
      const Prepared ready = prepared[place];
      const std::uint32_t soon = prepared[(place + LOOK_AHEAD / 2) % LOOK_AHEAD].order;
      fetch(&venue_->client_ids.node(venue_->orders.cold(soon).current_id));
      look_ahead();
      apply_one(command, ready);
      at += command.length;
      if (venue_->is_broken) [[unlikely]] {
        return {Status::BROKEN, "an amount left its range",
                static_cast<std::size_t>(at - begin)};
      }
    }
  } catch (const std::bad_alloc&) {
    venue_->is_broken = true;
    return {Status::OUT_OF_MEMORY, "out of memory", 0};
  }
  events = {venue_->events.data(), venue_->events.size()};
  return {};
}

bool Engine::admit(const commands::Header& command) {
  Venue& venue = *venue_;
  venue.last_sequence = command.sequence;
  venue.last_time_ns = command.time_ns;
  venue.events.begin_command(command.sequence, command.time_ns, command.received_at_ns);
  const std::uint32_t source = command.source;
  if (source == 0) {
    return true;
  }
  std::uint32_t index = last_source_index_;
  if (source != last_source_) {
    index = venue.source_numbers.find(source);
    if (index == NONE) [[unlikely]] {
      index = static_cast<std::uint32_t>(venue.sources.size());
      venue.sources.push_back({source, command.epoch, command.source_sequence});
      venue.source_numbers.set(source, index);
      return true;
    }
    last_source_ = source;
    last_source_index_ = index;
  }
  SourcePosition& position = venue.sources[index];
  if (command.epoch < position.epoch ||
      (command.epoch == position.epoch && command.source_sequence <= position.sequence))
      [[unlikely]] {
    return false;
  }
  position.epoch = command.epoch;
  position.sequence = command.source_sequence;
  return true;
}

void Engine::apply_one(const commands::Header& command, Prepared prepared) {
  Venue& venue = *venue_;
  if (!admit(command)) [[unlikely]] {
    return;
  }
  venue.steps_left = venue.settings().steps_per_command_max;
  if (!venue.configuration) [[unlikely]] {
    switch (command.kind) {
      case commands::ConfigureVenue::KIND:
      case commands::AdvanceTime::KIND:
      case commands::GroupHeader::KIND:
      case commands::LinkLost::KIND:
        dispatch(command);
        break;
      default:
        refuse_unconfigured(venue, command);
    }
    venue.events.end_command();
    return;
  }
  if (!venue.gone.empty()) {
    prefetch_gone();
    forget_gone(venue);
  }
  if (command.kind > commands::AmendOrder::KIND) [[unlikely]] {
    dispatch(command);
    venue.events.end_command();
    return;
  }
  const auto* data = reinterpret_cast<const std::byte*>(&command);
  const auto ready = [&](const Text<40>& text) {
    if (prepared.account == NONE) [[unlikely]] {  // or it was created in the meantime
      prepared.account = venue.find_account(command.account);
      prepared.hash = venue.client_ids.hash(prepared.account, text);
    }
  };
  if (command.kind == commands::PlaceOrder::KIND) {
    const auto& order = *reinterpret_cast<const commands::PlaceOrder*>(data);
    ready(order.client_order_id);
    place_order(venue, order, prepared.account, prepared.hash);
  } else if (command.kind == commands::CancelOrder::KIND) {
    const auto& request = *reinterpret_cast<const commands::CancelOrder*>(data);
    ready(request.client_order_id);
    cancel(venue, request, prepared.account, prepared.hash);
  } else {
    const auto& request = *reinterpret_cast<const commands::AmendOrder*>(data);
    ready(request.client_order_id);
    amend_order(venue, request, prepared.account, prepared.hash);
  }
  venue.events.end_command();
}

void Engine::dispatch(const commands::Header& command) {
  Venue& venue = *venue_;
#define CORE_HANDLE(Command, handler)                                            \
  case commands::Command::KIND:                                                  \
    handler(venue, *reinterpret_cast<const commands::Command*>(                  \
                       reinterpret_cast<const std::byte*>(&command)));           \
    return
  switch (command.kind) {
    CORE_HANDLE(MassCancel, mass_cancel);
    CORE_HANDLE(QueryOrder, query_order);
    CORE_HANDLE(RecordRefusal, record_refusal);
    CORE_HANDLE(OpenSession, open_session);
    CORE_HANDLE(CloseSession, close_session);
    CORE_HANDLE(LinkLost, lose_link);
    CORE_HANDLE(Credit, credit);
    CORE_HANDLE(Debit, debit);
    CORE_HANDLE(ReserveWithdrawal, reserve_withdrawal);
    CORE_HANDLE(CommitWithdrawal, commit_withdrawal);
    CORE_HANDLE(ReleaseWithdrawal, release_withdrawal);
    CORE_HANDLE(CreateAsset, create_asset);
    CORE_HANDLE(CreateInstrument, create_instrument);
    CORE_HANDLE(CreateFirm, create_firm);
    CORE_HANDLE(CreateAccount, create_account);
    CORE_HANDLE(SetAccountLimits, set_account_limits);
    CORE_HANDLE(SetAssetLimits, set_asset_limits);
    CORE_HANDLE(DefineFeeSchedule, define_fee_schedule);
    CORE_HANDLE(AssignFeeSchedule, assign_fee_schedule);
    CORE_HANDLE(GrantSession, grant_session);
    CORE_HANDLE(SetInstrumentLimits, set_instrument_limits);
    CORE_HANDLE(ConfigureVenue, configure_venue);
    CORE_HANDLE(ChangePhase, change_phase);
    CORE_HANDLE(Kill, kill);
    CORE_HANDLE(Resume, resume);
    CORE_HANDLE(ActivateRules, activate_rules);
    CORE_HANDLE(AdvanceTime, advance_time);
    case commands::GroupHeader::KIND:
      return;  // its records act one by one
    default: {
      Refused refused;
      refused.because(code::NOT_SUPPORTED);
      reject_command(venue, command, refused, 0);
    }
  }
#undef CORE_HANDLE
}

void refuse_unconfigured(Venue& venue, const commands::Header& command) {
  Refused refused;
  refused.because(code::NOT_CONFIGURED);
  const auto* data = reinterpret_cast<const std::byte*>(&command);
  switch (command.kind) {
    case commands::PlaceOrder::KIND:
      reject_order(venue, *reinterpret_cast<const commands::PlaceOrder*>(data), refused);
      return;
    case commands::MassCancel::KIND:
      reject_mass_cancel(venue, *reinterpret_cast<const commands::MassCancel*>(data), refused);
      return;
    case commands::AmendOrder::KIND: {
      const auto& amend = *reinterpret_cast<const commands::AmendOrder*>(data);
      reject_request<events::AmendRejected>(venue, amend, refused, 0, amend.client_order_id,
                                            amend.original_client_order_id);
      return;
    }
    case commands::CancelOrder::KIND: {
      const auto& cancel = *reinterpret_cast<const commands::CancelOrder*>(data);
      reject_request<events::CancelRejected>(venue, cancel, refused, 0, cancel.client_order_id,
                                             cancel.original_client_order_id);
      return;
    }
    case commands::QueryOrder::KIND: {
      const auto& query = *reinterpret_cast<const commands::QueryOrder*>(data);
      reject_request<events::QueryRejected>(venue, query, refused, 0, query.client_order_id,
                                            query.request_id);
      return;
    }
    default:
      reject_command(venue, command, refused, 0);
  }
}

Bytes Engine::snapshot() const { return write_snapshot(*venue_); }

Outcome Engine::restore(std::span<const std::byte> snapshot) noexcept {
  try {
    const char* error = "";
    std::unique_ptr<Venue> restored = read_snapshot(snapshot, venue_->settings(), error);
    if (restored == nullptr) {
      return {Status::MALFORMED, error, 0};
    }
    venue_ = std::move(restored);
    last_source_ = 0;
    walkers_ = {};
    next_walked_ = 0;
    return {};
  } catch (const std::bad_alloc&) {
    return {Status::OUT_OF_MEMORY, "out of memory", 0};
  }
}

std::int64_t Engine::next_deadline() const {
  if (!venue_->late_stops.empty() && !venue_->late_instruments().empty()) {
    return venue_->last_time_ns;
  }
  return venue_->deadlines.empty() ? 0 : venue_->deadlines.begin()->at_ns;
}

Bytes Engine::definitions() const { return describe(*venue_); }

std::vector<SourcePosition> Engine::sources(std::uint32_t principal) const {
  std::vector<SourcePosition> found;
  for (const SourcePosition& position : venue_->sources) {
    if (position.source >> SOURCE_BITS == principal) {
      found.push_back(position);
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& left, const auto& right) {
    return left.source < right.source;
  });
  return found;
}

std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t, std::int64_t>>
Engine::balances() const {
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t, std::int64_t>> found;
  for (const Account& account : venue_->accounts) {
    for (std::size_t asset = 0; asset < account.balances.size(); ++asset) {
      const Balance& balance = venue_->balances[account.balances[asset]];
      if (balance.balance_atoms != 0 || balance.held_atoms != 0) {
        found.emplace_back(account.number, venue_->assets[asset].number, balance.balance_atoms,
                           balance.held_atoms);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::tuple<std::uint32_t, std::int64_t, std::int64_t>> Engine::assets() const {
  std::vector<std::tuple<std::uint32_t, std::int64_t, std::int64_t>> found;
  for (const Asset& asset : venue_->assets) {
    found.emplace_back(asset.number, asset.supply_atoms, asset.fees_atoms);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace core
