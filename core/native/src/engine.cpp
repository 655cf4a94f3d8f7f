#include "core/engine.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <utility>

#include "core/handlers.hpp"
#include "core/negotiation.hpp"
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
          CloseSession, EnterQuote, CancelQuotes, DefineProtection, ResetProtection,
          QueryProtection, LinkLost, Credit, Debit, ReserveWithdrawal, CommitWithdrawal,
          ReleaseWithdrawal, OpenSessionOnTerms, RequestForQuote, GiveRfqQuote, AcceptRfqQuote,
          WithdrawRfq, QueryRfq, CreateAsset, CreateInstrument, CreateFirm, CreateAccount,
          SetAccountLimits, SetAssetLimits, DefineFeeSchedule, AssignFeeSchedule, GrantSession,
          SetInstrumentLimits, ConfigureVenue, ChangePhase, Kill, Resume, ActivateRules,
          GroupHeader, AdvanceTime, CheckOrder, MassAction, QueryOrders, TransferFunds,
          BustTrade, CorrectTrade,
          SettleReceivable, KeepTrades, DisputeTrade, AdjustBalance>*>(nullptr));
  return lengths;
}();

// How far ahead of the check the commands themselves are fetched, in bytes.
constexpr std::size_t FETCH_AHEAD = 6144;

// The first eight bytes of a whole record of each kind, but for its flags.
constexpr std::uint64_t PREFIX_MASK = 0xFFFF00FF'FFFFFFFF;

// Those bytes by kind; what no record can have where there is no such kind, or it is of a group.
constexpr std::array<std::uint64_t, LENGTHS.size()> PREFIXES = [] {
  std::array<std::uint64_t, LENGTHS.size()> prefixes{};
  for (std::uint64_t kind = 0; kind < prefixes.size(); ++kind) {
    const bool is_of_group = kind == commands::GroupHeader::KIND ||
                             is_group_member(static_cast<std::uint16_t>(kind));
    prefixes[kind] = LENGTHS[kind] == 0 || is_of_group
                         ? ~std::uint64_t{0}
                         : LENGTHS[kind] | kind << 16 | std::uint64_t{1} << 32;
  }
  return prefixes;
}();

// Where the client's id stands in the kinds that are prepared.
constexpr std::size_t CLIENT_ID_AT[] = {0, offsetof(commands::PlaceOrder, client_order_id),
                                        offsetof(commands::CancelOrder, client_order_id),
                                        offsetof(commands::AmendOrder, client_order_id)};
static_assert(offsetof(commands::CancelOrder, order_id) ==
              offsetof(commands::AmendOrder, order_id));

const commands::Header& header_at(const std::byte* at) noexcept {
  return *reinterpret_cast<const commands::Header*>(at);
}

// What is wrong with a record's length, kind or version.
const char* complaint(const commands::Header& command, std::size_t size_left) noexcept {
  if (command.length > size_left) {
    return "the record is cut short";
  }
  const std::uint16_t kind = command.kind;
  const std::uint16_t expected = kind < LENGTHS.size() ? LENGTHS[kind] : 0;
  if (command.length != expected) {
    return expected == 0 ? "the record's kind is unknown"
                         : "the record's length is not its kind's";
  }
  if (command.length < sizeof(commands::Header)) {
    return "the record is shorter than a header";
  }
  return command.version != 1 ? "the record's version is unknown" : nullptr;
}

// What is wrong with a record's place: a header begins a group, which nothing may break off, and
// what is of a group stands in one. `size` becomes that of the whole group.
const char* misplacement(const commands::Header& command, std::size_t size_left,
                         std::size_t& size) noexcept {
  size = command.length;
  if (command.kind != commands::GroupHeader::KIND) {
    return command.group_left != 0 || is_group_member(command.kind)
               ? "the record is of a group, and stands in none"
               : nullptr;
  }
  if (command.group_left == 0 || command.group_left > GROUP_MEMBERS_MAX) {
    return "the group is empty, or too long";
  }
  const auto* const begin = reinterpret_cast<const std::byte*>(&command);
  for (std::uint16_t left = command.group_left; left != 0; --left) {
    if (size_left - size < sizeof(commands::Header)) {
      return "the group is cut short";
    }
    const commands::Header& member = header_at(begin + size);
    if (const char* what = complaint(member, size_left - size); what != nullptr) {
      return what;
    }
    if (!is_group_member(member.kind) || member.group_left != left - 1 ||
        member.sequence != command.sequence || member.time_ns != command.time_ns) {
      return "the group is broken off";
    }
    size += member.length;
  }
  return nullptr;
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
    if (size - at < sizeof(commands::Header)) [[unlikely]] {
      return malformed("the record is cut short");
    }
    const commands::Header& command = header_at(begin + at);
    // A number, because past the end there is nothing that a pointer may point to.
    const std::uintptr_t ahead = reinterpret_cast<std::uintptr_t>(begin) + at + FETCH_AHEAD;
    for (std::size_t line = 0; line < 192; line += 64) {
      fetch(reinterpret_cast<const void*>(ahead + line));
    }
    std::size_t length = command.length;
    std::uint64_t prefix = 0;
    std::memcpy(&prefix, &command, sizeof(prefix));
    if ((prefix & PREFIX_MASK) != PREFIXES[prefix >> 16 & (PREFIXES.size() - 1)] ||
        command.length > size - at) [[unlikely]] {
      const char* what = complaint(command, size - at);
      if (what == nullptr) {
        what = misplacement(command, size - at, length);
      }
      if (what != nullptr) {
        return malformed(what);
      }
    }
    if (command.sequence != ++sequence || sequence == 0) [[unlikely]] {
      return malformed("the record is out of sequence");
    }
    if (command.time_ns < time_ns || command.time_ns >= AMOUNT_LIMIT) [[unlikely]] {
      return malformed("the record's stamp goes back, or is beyond all clocks");
    }
    time_ns = command.time_ns;
    at += length;
  }
  return {};
}

// Look at the next commands, and bring near in rounds what they will touch: where the ids stand,
// then the orders, and in `prepare_neighbours`, when those have come, the orders beside them.
void Engine::prepare(const std::byte*& at, const std::byte* end, Block& block) const noexcept {
  const Venue& venue = *venue_;
  std::size_t count = 0;
  for (; count < BLOCK && at != end; ++count) {
    const commands::Header& command = header_at(at);
    Prepared& prepared = block.prepared[count];
    prepared = {&command, 0, 0, 0};
    const std::uint16_t kind = command.kind;
    if (kind <= commands::AmendOrder::KIND) [[likely]] {
      const auto& text = *reinterpret_cast<const Text<40>*>(at + CLIENT_ID_AT[kind]);
      prepared.hash = venue.client_ids.hash(command.account, text);
      venue.client_ids.prefetch(prepared.hash);
      // Without branches here and below: which kind comes next, nobody can guess.
      const std::uint64_t order_id = reinterpret_cast<const commands::CancelOrder*>(at)->order_id;
      prepared.order_id = order_id & (kind == commands::PlaceOrder::KIND ? 0 : ~std::uint64_t{0});
      venue.order_ids.prefetch(prepared.order_id);
    }
    at += command.length;
    if (kind == commands::GroupHeader::KIND) [[unlikely]] {
      at += size_of_members(reinterpret_cast<const commands::GroupHeader&>(command));
    }
  }
  block.count = count;
  for (std::size_t place = 0; place < count; ++place) {
    Prepared& prepared = block.prepared[place];
    prepared.order = venue.order_ids.guess(prepared.order_id);
    venue.orders.prefetch(prepared.order);
  }
}

void Engine::prepare_neighbours(const Block& block) const noexcept {
  const Venue& venue = *venue_;
  for (std::size_t place = 0; place < block.count; ++place) {
    const std::uint32_t order = block.prepared[place].order;
    const HotOrder& hot = venue.orders.hot(order);
    const ColdOrder& cold = venue.orders.cold(order);
    fetch_for_writing(&venue.orders.hot(hot.previous));
    fetch_for_writing(&venue.orders.hot(hot.next));
    fetch(&venue.client_ids.node(cold.ids.current));
    venue.client_ids.prefetch_append(cold.ids);
  }
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
  std::array<Block, 2> blocks;
  venue_->events.begin_batch(output);
  try {
    const std::byte* at = begin;
    prepare(at, end, blocks[0]);
    for (std::size_t turn = 0; blocks[turn].count != 0; turn ^= 1) {
      prepare(at, end, blocks[turn ^ 1]);
      prepare_neighbours(blocks[turn]);
      for (std::size_t place = 0; place < blocks[turn].count; ++place) {
        apply_one(blocks[turn].prepared[place]);
        if (venue_->is_broken) [[unlikely]] {
          const auto* command =
              reinterpret_cast<const std::byte*>(blocks[turn].prepared[place].command);
          return {Status::BROKEN, "an amount left its range",
                  static_cast<std::size_t>(command - begin)};
        }
      }
    }
  } catch (const std::bad_alloc&) {
    venue_->is_broken = true;
    return {Status::OUT_OF_MEMORY, "out of memory", 0};
  }
  events = {venue_->events.data(), venue_->events.size()};
  return {};
}

// The place of a source's last position; a new source has none sent yet.
std::uint32_t Engine::find_source(std::uint32_t source) {
  Venue& venue = *venue_;
  std::uint32_t index = venue.source_numbers.find(source);
  if (index == NONE) {
    index = static_cast<std::uint32_t>(venue.sources.size());
    venue.source_numbers.set(source, index);
    venue.sources.push_back({source, 0, 0});
    return index;  // the first command is taken whatever it is numbered
  }
  near_sources_[source % near_sources_.size()] = {source, index};
  return index;
}

// Whether a command is none that its source sent before; then it is the source's last one now.
inline bool Engine::is_new(const commands::Header& command) {
  const std::uint32_t source = command.source;
  if (source == 0) {
    return true;
  }
  const NearSource near = near_sources_[source % near_sources_.size()];
  const std::size_t known = venue_->sources.size();
  const std::uint32_t index = near.source == source ? near.index : find_source(source);
  SourcePosition& position = venue_->sources[index];
  const std::uint64_t sequence = command.source_sequence;
  const std::uint32_t epoch = command.epoch;
  if ((epoch < position.epoch || (epoch == position.epoch && sequence <= position.sequence)) &&
      index != known) [[unlikely]] {
    return false;
  }
  position.epoch = epoch;
  position.sequence = sequence;
  return true;
}

void Engine::apply_one(const Prepared& prepared) {
  const commands::Header& command = *prepared.command;
  Venue& venue = *venue_;
  venue.last_sequence = command.sequence;
  venue.last_time_ns = command.time_ns;
  venue.events.begin_command(command);
  if (!is_new(command)) [[unlikely]] {
    return;
  }
  venue.steps_left = venue.settings().steps_per_command_max;
  if (!venue.configuration) [[unlikely]] {
    apply_unconfigured(command);
    venue.events.end_command();
    return;
  }
  forget_gone(venue);
  const auto* data = reinterpret_cast<const std::byte*>(&command);
  switch (command.kind) {
    [[likely]] case commands::PlaceOrder::KIND:
      place_order(venue, *reinterpret_cast<const commands::PlaceOrder*>(data), prepared.hash);
      break;
    case commands::CancelOrder::KIND:
      cancel(venue, *reinterpret_cast<const commands::CancelOrder*>(data), prepared.hash);
      break;
    case commands::AmendOrder::KIND:
      amend_order(venue, *reinterpret_cast<const commands::AmendOrder*>(data), prepared.hash);
      break;
    default:
      dispatch(command);
  }
  venue.events.end_command();
  if (!venue.done_quotes.empty() || venue.kept_trades.lets_go(venue.last_trade_id))
      [[unlikely]] {
    forget_done_quotes(venue);
  }
}

void Engine::apply_unconfigured(const commands::Header& command) {
  switch (command.kind) {
    case commands::ConfigureVenue::KIND:
    case commands::AdvanceTime::KIND:
    case commands::LinkLost::KIND:
      dispatch(command);
      break;
    default:
      refuse_unconfigured(*venue_, command);
  }
}

// Any kind but the three that clients send most.
void Engine::dispatch(const commands::Header& command) {
  Venue& venue = *venue_;
  static_assert(commands::MassCancel::KIND == 4 && commands::QueryOrder::KIND == 5 &&
                commands::RecordRefusal::KIND == 6 && commands::OpenSession::KIND == 7);
  static_assert(commands::EnterQuote::KIND == 10 && commands::QueryRfq::KIND == 19);
  const bool is_of_quotes = (command.kind >= commands::EnterQuote::KIND &&
                             command.kind <= commands::QueryRfq::KIND) ||
                            command.kind == commands::GroupHeader::KIND;
  const bool asks_or_stops = command.kind >= commands::CheckOrder::KIND &&
                             command.kind <= commands::QueryOrders::KIND;
  if (command.kind >= commands::OpenSession::KIND && !is_of_quotes && !asks_or_stops) {
    ++venue.definitions;
  }
#define CORE_HANDLE(Command, handler)                                            \
  case commands::Command::KIND:                                                  \
    handler(venue, *reinterpret_cast<const commands::Command*>(                  \
                       reinterpret_cast<const std::byte*>(&command)));           \
    return
  switch (command.kind) {
    CORE_HANDLE(MassCancel, mass_cancel);
    CORE_HANDLE(QueryOrder, query_order);
    CORE_HANDLE(RecordRefusal, record_refusal);
    CORE_HANDLE(GroupHeader, mass_quote);
    CORE_HANDLE(CancelQuotes, cancel_quotes);
    CORE_HANDLE(DefineProtection, define_protection);
    CORE_HANDLE(ResetProtection, reset_protection);
    CORE_HANDLE(QueryProtection, query_protection);
    CORE_HANDLE(OpenSession, open_session);
    CORE_HANDLE(OpenSessionOnTerms, open_session_on_terms);
    CORE_HANDLE(CloseSession, close_session);
    CORE_HANDLE(LinkLost, lose_link);
    CORE_HANDLE(RequestForQuote, request_for_quote);
    CORE_HANDLE(GiveRfqQuote, give_rfq_quote);
    CORE_HANDLE(AcceptRfqQuote, accept_rfq_quote);
    CORE_HANDLE(WithdrawRfq, withdraw_rfq);
    CORE_HANDLE(QueryRfq, query_rfq);
    CORE_HANDLE(Credit, credit);
    CORE_HANDLE(Debit, debit);
    CORE_HANDLE(AdjustBalance, adjust_balance);
    CORE_HANDLE(ReserveWithdrawal, reserve_withdrawal);
    CORE_HANDLE(CommitWithdrawal, commit_withdrawal);
    CORE_HANDLE(ReleaseWithdrawal, release_withdrawal);
    CORE_HANDLE(TransferFunds, transfer_funds);
    CORE_HANDLE(SettleReceivable, settle_receivable);
    CORE_HANDLE(BustTrade, bust_trade);
    CORE_HANDLE(CorrectTrade, correct_trade);
    CORE_HANDLE(KeepTrades, keep_trades);
    CORE_HANDLE(DisputeTrade, dispute_trade);
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
    CORE_HANDLE(CheckOrder, check_order);
    CORE_HANDLE(MassAction, do_mass_action);
    CORE_HANDLE(QueryOrders, query_orders);
    default:
      return;  // what stands in groups alone
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
    case commands::CheckOrder::KIND:
      refuse_check(venue, *reinterpret_cast<const commands::CheckOrder*>(data), refused);
      return;
    case commands::MassAction::KIND:
      reject_mass_action(venue, *reinterpret_cast<const commands::MassAction*>(data), refused);
      return;
    case commands::QueryOrders::KIND:
      reject_orders_query(venue, *reinterpret_cast<const commands::QueryOrders*>(data), refused);
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
    case commands::CancelQuotes::KIND:
      reject_quoting(venue, *reinterpret_cast<const commands::CancelQuotes*>(data), refused);
      return;
    case commands::ResetProtection::KIND:
      reject_quoting(venue, *reinterpret_cast<const commands::ResetProtection*>(data), refused);
      return;
    case commands::QueryProtection::KIND:
      reject_quoting(venue, *reinterpret_cast<const commands::QueryProtection*>(data), refused);
      return;
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
    near_sources_ = {};
    return {};
  } catch (const std::bad_alloc&) {
    return {Status::OUT_OF_MEMORY, "out of memory", 0};
  }
}

std::int64_t Engine::next_deadline() const {
  if (!venue_->late_stops.empty() && !venue_->late_instruments().empty()) {
    return venue_->last_time_ns;
  }
  return venue_->deadlines.empty() ? 0 : venue_->deadlines.first().at_ns;
}

Bytes Engine::definitions() const { return describe(*venue_); }

Bytes Engine::books() const { return describe_books(*venue_); }
Bytes Engine::open_orders(std::uint32_t account, std::uint64_t after, std::size_t limit) const {
  return describe_open_orders(*venue_, account, after, limit);
}

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

std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> Engine::receivables() const {
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> found;
  for (const Account& account : venue_->accounts) {
    for (std::size_t asset = 0; asset < account.balances.size(); ++asset) {
      const Balance& balance = venue_->balances[account.balances[asset]];
      if (balance.receivable_atoms != 0) {
        found.emplace_back(account.number, venue_->assets[asset].number,
                           balance.receivable_atoms);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> Engine::rfq_holds() const {
  const Venue& venue = *venue_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> holds;
  for (const auto& [number, quote] : venue.rfq_quotes) {
    const Instrument& instrument =
        *venue.instruments[venue.quote_requests.at(quote.request).instrument];
    const std::uint32_t account = venue.accounts[quote.account].number;
    holds[{account, venue.assets[instrument.quote_asset].number}] += quote.bid_held_atoms;
    holds[{account, venue.assets[instrument.base_asset].number}] += quote.ask_held_atoms;
  }
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> found;
  for (const auto& [key, atoms] : holds) {
    if (atoms != 0) {
      found.emplace_back(key.first, key.second, atoms);
    }
  }
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
