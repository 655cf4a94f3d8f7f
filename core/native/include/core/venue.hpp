// All of the venue's trading state, and the small steps that keep its parts agreeing.
//
// Things have a number, which people gave them, and an index, which is their place here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/book.hpp"
#include "core/client_ids.hpp"
#include "core/deadlines.hpp"
#include "core/decisions.hpp"
#include "core/event_writer.hpp"
#include "core/kept_trades.hpp"
#include "core/layouts.hpp"
#include "core/limits.hpp"
#include "core/memory.hpp"
#include "core/number_map.hpp"
#include "core/order_ids.hpp"
#include "core/orders.hpp"
#include "core/quotes.hpp"

namespace core {

inline constexpr std::uint32_t RULES = 1;
inline constexpr std::uint32_t NONE = NumberMap::NONE;

// How much one command may do: constants of rule set 1, the same in every engine. Steps are
// trades, self-trade preventions and triggered stops together.
inline constexpr std::uint32_t STEPS_PER_COMMAND_MAX = 20'000;
inline constexpr std::uint32_t OPEN_ORDERS_MAX = 500'000;

// The most orders that one answer lists; whoever asks goes on after the last one.
inline constexpr std::uint32_t ORDERS_PER_QUERY_MAX = 1000;

// How many suspensions an account or session may have: instruments and sides of its own choice.
inline constexpr std::int64_t SUSPENSIONS_OF_TARGET_MAX = 64;

// One account's ids take at most an eighth of the venue's memory for them, or a thousand where
// that is more: otherwise one client's cancels could keep everybody's orders out.
inline constexpr std::uint32_t CLIENT_ID_SHARES = 8;
inline constexpr std::uint32_t CLIENT_IDS_OF_ACCOUNT_MIN = 1000;

// Chosen when an engine is made. The seed only changes where ids stand in memory, so that nobody
// can aim at one place; the steps are the rule set's but in tests.
struct Settings {
  std::uint64_t seed = 0x5EED;
  std::uint32_t steps_per_command_max = STEPS_PER_COMMAND_MAX;
};

struct Configuration {
  std::uint32_t client_ids_max = 0;
  std::uint32_t references_max = 0;
  std::uint32_t open_orders_max = 0;
  std::uint32_t accounts_max = 0;
  std::uint32_t instruments_max = 0;
  std::uint32_t sessions_max = 0;
  std::int64_t client_id_window_ns = 0;
  std::int64_t indicative_interval_ns = 0;
  std::int64_t day_offset_ns = 0;
};

// The balances of all accounts and `fees_atoms` add up to `supply_atoms` and what accounts owe
// since a bust, `receivable_atoms`, always.
struct Asset {
  std::uint32_t number;
  std::uint32_t scale;
  std::int64_t supply_max_atoms;
  std::int64_t supply_atoms;
  std::int64_t fees_atoms;
  std::int64_t credit_lines_atoms;  // the sum of all accounts'
  Text<16> symbol;
  std::int64_t receivable_atoms = 0;
  // The balances that use more than their credit line, and some that no longer do.
  std::set<std::uint32_t> overdrawn{};
};

struct FeeSchedule {
  std::uint32_t number;
  std::int32_t maker_ppm;
  std::int32_t taker_ppm;
};

struct Firm {
  std::uint32_t number;
  bool is_killed;
  Text<32> name;
};

// What an account has of one asset. `buying_atoms` is what its open buys would bring,
// `receivable_atoms` of the balance were lent by the venue at a bust.
struct alignas(64) Balance {
  std::int64_t balance_atoms;
  std::int64_t held_atoms;
  std::int64_t credit_line_atoms;
  std::int64_t position_max_atoms;
  std::int64_t buying_atoms;
  std::int64_t receivable_atoms;

  // What orders may still tie up.
  [[nodiscard]] std::int64_t available_atoms() const noexcept {
    return balance_atoms - held_atoms + credit_line_atoms;
  }
  // What may leave the venue: never borrowed money.
  [[nodiscard]] std::int64_t free_atoms() const noexcept { return balance_atoms - held_atoms; }
  // What is owed, or would be if all that is held were spent.
  [[nodiscard]] std::int64_t used_atoms() const noexcept {
    return std::max<std::int64_t>(held_atoms - balance_atoms, 0);
  }
  // What may be owed: the credit line, or what is used where that is more.
  [[nodiscard]] std::int64_t lent_atoms() const noexcept {
    return std::max(credit_line_atoms, used_atoms());
  }
};

struct Assignment {
  std::uint32_t instrument;  // number, 0 for all others
  std::uint32_t fee_schedule;
};

// `group` is what self-trade prevention compares: the owner group, or the account itself when it
// belongs to none. `next_free_ns` is the throttle's state.
struct alignas(64) Account {
  std::uint32_t number;
  std::uint32_t firm;  // index
  std::int64_t group;
  std::uint32_t owner_group;
  std::uint8_t kind;
  std::uint8_t self_trade_prevention;
  bool is_killed;
  std::uint32_t open_orders_max;
  std::uint32_t message_burst;
  std::int64_t message_interval_ns;
  std::int64_t next_free_ns;
  std::vector<std::uint32_t> orders;       // the open ones, in no order
  std::uint32_t client_ids;                // how many of its are remembered
  std::uint32_t quote_requests;            // how many of its are open
  std::vector<std::uint32_t> balances;     // index by asset index; 0 for none
  std::vector<Assignment> assignments;     // by instrument
  std::vector<std::uint32_t> protections;  // indexes, by number
  Text<32> name;
};

struct Right {
  std::uint32_t account;  // number
  std::uint32_t rights;
};

// `connection` is the live one, 0 for none; `last_connection` the highest seen; `principal` the
// gateway that carries the live one. `grace_until_ns`, when not zero, is when the orders of a lost
// connection go unless it comes back.
struct Session {
  std::uint32_t number;
  std::uint32_t firm;  // index
  std::uint32_t cancel_on_disconnect;
  std::uint32_t connection;
  std::uint32_t last_connection;
  std::uint32_t principal;
  std::int64_t disconnect_grace_ns;
  std::int64_t grace_until_ns;
  bool has_chosen;  // terms of its last connection, in the place of the granted
  std::uint32_t chosen_cancel_on_disconnect;
  std::int64_t chosen_grace_ns;
  bool is_killed;
  std::vector<Right> rights;  // by account
  Text<32> name;

  // Which orders go with a lost connection, and after how long.
  [[nodiscard]] std::uint32_t mode() const noexcept {
    return has_chosen ? chosen_cancel_on_disconnect : cancel_on_disconnect;
  }
  [[nodiscard]] std::int64_t grace_ns() const noexcept {
    return has_chosen ? chosen_grace_ns : disconnect_grace_ns;
  }

  [[nodiscard]] std::uint32_t rights_on(std::uint32_t account) const noexcept {
    for (const Right& right : rights) {
      if (right.account >= account) {
        return right.account == account ? right.rights : 0;
      }
    }
    return 0;
  }
};

// The waiting stops of one instrument, and the prints they have not seen yet: 0 for none, as
// always between two commands. Buys wait for a price at or above theirs, the lowest first; sells
// for one at or below, the highest first; equal prices in order of arrival.
struct Stops {
  using Key = std::tuple<std::int64_t, std::uint64_t, std::uint32_t>;  // price, arrival, order

  std::int64_t low = 0;
  std::int64_t high = 0;
  std::set<Key> buys;
  std::set<Key> sells;  // by the negative price

  void print(std::int64_t price_ticks) noexcept {
    high = std::max(high, price_ticks);
    if (price_ticks < low || low == 0) {
      low = price_ticks;
    }
  }
  void forget_prints() noexcept { low = high = 0; }
  // The next stop that the noted prints reached, 0 for none.
  [[nodiscard]] std::uint32_t due() const noexcept { return first(low, high); }
  // Whether a price, 0 for none, reaches any of the waiting stops.
  [[nodiscard]] bool is_reached(std::int64_t price_ticks) const noexcept {
    return first(price_ticks, price_ticks) != 0;
  }

 private:
  [[nodiscard]] std::uint32_t first(std::int64_t lowest, std::int64_t highest) const noexcept {
    if (highest == 0) {
      return 0;
    }
    if (!buys.empty() && std::get<0>(*buys.begin()) <= highest) {
      return std::get<2>(*buys.begin());
    }
    if (!sells.empty() && -std::get<0>(*sells.begin()) >= lowest) {
      return std::get<2>(*sells.begin());
    }
    return 0;
  }
};

struct Equilibrium {
  std::int64_t price_ticks = 0;
  std::int64_t volume_lots = 0;
  std::int64_t surplus_lots = 0;

  bool operator==(const Equilibrium&) const = default;
};

// `last_ticks` is the last trade's price, `reference_ticks` that or what the operator put in its
// place since; `band_ticks` is the band's reference in the window that began at
// `band_window_at_ns`, `band_next_ticks` what the next window will take. The ceilings are the largest bounds that any open order or request
// may have been accepted under: with them no product in matching can overflow.
struct Instrument {
  explicit Instrument(Orders& orders) : book(orders) {}

  std::uint32_t number = 0;
  std::uint32_t index = 0;
  std::uint8_t phase = phase::CLOSED;
  bool is_killed = false;
  std::uint32_t open_orders = 0;
  std::uint32_t quote_requests = 0;  // open ones
  std::uint32_t base_asset = 0;   // index
  std::uint32_t quote_asset = 0;  // index
  std::int64_t lot_atoms = 0;
  std::int64_t tick_lot_atoms = 0;
  std::int32_t maker_ppm = 0;  // of its own fee schedule
  std::int32_t taker_ppm = 0;
  InstrumentLimits limits;
  std::int64_t last_ticks = 0;
  std::int64_t reference_ticks = 0;
  std::int64_t band_ticks = 0;
  std::int64_t band_next_ticks = 0;
  std::int64_t band_window_at_ns = 0;
  Stops stops;
  Book book;
  std::uint32_t fee_schedule = 0;
  std::uint32_t phase_reason = phase_reason::OPERATOR;
  std::int64_t phase_until_ns = 0;
  std::int64_t price_ceiling = 0;
  std::int64_t quantity_ceiling = 0;
  Equilibrium indicative;
  std::int64_t indicative_at_ns = 0;
  std::int64_t tick_units = 0;
  std::int64_t lot_units = 0;
  std::uint8_t price_decimals = 0;
  std::uint8_t quantity_decimals = 0;
  Text<16> symbol{};

  [[nodiscard]] bool has_limits() const noexcept { return limits.price_ticks_max > 0; }
  // Whether the last price has reached a stop that still waits though it could act: only after a
  // command that had done all that one command may do.
  [[nodiscard]] bool has_late_stops() const noexcept {
    return phase == phase::CONTINUOUS && stops.is_reached(last_ticks);
  }
};

struct SourcePosition {
  std::uint32_t source;
  std::uint32_t epoch;
  std::uint64_t sequence;
};

// Who may act for whom, and with what: found out once for an account, session and instrument that
// ask together, and true as long as no definition, session or kill switch changes.
struct alignas(64) Admission {
  std::uint64_t asker;           // account's and session's numbers
  std::uint32_t connection;
  std::uint32_t instrument_number;
  std::uint64_t true_in;         // the venue's `definitions` when this was found out
  Instrument* instrument;        // nothing when there is none by that number
  std::uint32_t account;         // index
  std::uint32_t base;            // indexes of the account's balances in the instrument's assets
  std::uint32_t quote;
  std::int32_t maker_ppm;
  std::int32_t taker_ppm;
  bool is_killed;                // venue, firm, account or session

  // What two kinds of command have in common here.
  template <class Command>
  [[nodiscard]] static std::uint64_t asker_of(const Command& command) noexcept {
    return std::uint64_t{command.session} << 32 | command.account;
  }
  template <class Command>
  [[nodiscard]] bool is_for(const Command& command, std::uint64_t definitions) const noexcept {
    return ((asker ^ asker_of(command)) | (connection ^ command.connection) |
            (instrument_number ^ command.instrument) | (true_in ^ definitions)) == 0;
  }
};
static_assert(sizeof(Admission) == 64);

struct Withdrawal {
  std::uint32_t account;  // index
  std::uint32_t asset;    // index
  std::int64_t amount_atoms;
};

// An open request for quote; `quotes` are the numbers of those that stand for it, ascending.
struct QuoteRequest {
  std::uint64_t number;
  std::uint32_t account;  // index
  std::uint32_t session;
  std::uint32_t connection;
  std::uint32_t trader;
  std::uint32_t instrument;  // index
  std::uint8_t side;         // 0 for either
  std::int64_t quantity_lots;
  std::int64_t expires_at_ns;
  Text<40> client_request_id;
  std::vector<std::uint64_t> quotes;
};

// A firm quote for a request's whole quantity; a price of 0 is a side that is not quoted. What is
// held for the bid is of the quote asset, for the ask of the base asset; the rates are those of
// when it was given.
struct RfqQuote {
  std::uint64_t number;
  std::uint64_t request;  // number
  std::uint32_t account;  // index
  std::uint32_t session;
  std::uint32_t connection;
  std::uint32_t trader;
  std::int64_t bid_ticks;
  std::int64_t ask_ticks;
  std::int64_t expires_at_ns;
  std::int64_t bid_held_atoms;
  std::int64_t ask_held_atoms;
  std::int32_t maker_ppm;
  std::int32_t taker_ppm;
  KnownId id;
  Text<40> client_quote_id;
};

using Reference = std::string;

enum class NameOf : std::uint8_t { ASSET, INSTRUMENT, FIRM, ACCOUNT, SESSION };

class Venue {
 public:
  explicit Venue(const Settings& settings)
      : order_ids(orders),
        client_ids(settings.seed),
        quotes(settings.seed),
        deadlines(orders),
        settings_(settings) {
    balances.grow(1);
    admissions.grow(ADMISSIONS);
  }
  Venue(const Venue&) = delete;
  Venue& operator=(const Venue&) = delete;

  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }

  // Where the last price has reached a waiting stop, the smallest number first.
  [[nodiscard]] std::vector<Instrument*> late_instruments() const;

  // Take a name into use; say whether it was free among its kind.
  template <std::size_t Size>
  bool take_name(NameOf kind, const Text<Size>& name) {
    return names.emplace(kind, std::string(name.data(), Size)).second;
  }
  template <std::size_t Size>
  [[nodiscard]] bool is_name_taken(NameOf kind, const Text<Size>& name) const {
    return names.contains({kind, std::string(name.data(), Size)});
  }

  // The number of an account's balance in an asset; an asset it never had is all zeros.
  [[nodiscard]] std::uint32_t balance_index(std::uint32_t account, std::uint32_t asset) {
    std::vector<std::uint32_t>& known = accounts[account].balances;
    if (asset < known.size() && known[asset] != 0) [[likely]] {
      return known[asset];
    }
    return make_balance(account, asset);
  }
  [[nodiscard]] Balance& balance(std::uint32_t account, std::uint32_t asset) {
    return balances[balance_index(account, asset)];
  }

  // Where what was found out about an asker stands, or will.
  template <class Command>
  [[nodiscard]] Admission& admission(const Command& command) noexcept {
    const std::uint64_t mixed = Admission::asker_of(command) * 0x9E3779B97F4A7C15u ^
                                command.instrument * 0xD6E8FEB86659FD93u;
    return admissions[(mixed ^ mixed >> 32) & (ADMISSIONS - 1)];
  }

  [[nodiscard]] std::uint32_t find_account(std::uint32_t number) const noexcept {
    return account_numbers.find(number);
  }
  [[nodiscard]] Instrument* find_instrument(std::uint32_t number) noexcept {
    const std::uint32_t index = instrument_numbers.find(number);
    return index == NONE ? nullptr : instruments[index].get();
  }
  [[nodiscard]] Session* find_session(std::uint32_t number) noexcept {
    const std::uint32_t index = session_numbers.find(number);
    return index == NONE ? nullptr : &sessions[index];
  }
  [[nodiscard]] const FeeSchedule* find_fee_schedule(std::uint32_t number) const noexcept {
    const std::uint32_t index = fee_schedule_numbers.find(number);
    return index == NONE ? nullptr : &fee_schedules[index];
  }

  // The fee rates of an account's orders from now on: its schedule for the instrument, else its
  // schedule for all, else the instrument's own.
  [[nodiscard]] FeeSchedule fee_rates(const Account& account,
                                      const Instrument& instrument) const noexcept {
    if (account.assignments.empty()) [[likely]] {
      return {0, instrument.maker_ppm, instrument.taker_ppm};
    }
    return assigned_rates(account, instrument);
  }

  // The balance that an order's hold ties up: quote of a buy, base of a sell.
  [[nodiscard]] Balance& holding(const HotOrder& order, const ColdOrder& cold) noexcept {
    return balances[order.is_buy() ? cold.quote : cold.base];
  }

  EventWriter events;
  std::uint64_t last_sequence = 0;
  std::int64_t last_time_ns = 0;
  std::uint64_t last_order_id = 0;
  std::uint64_t last_trade_id = 0;
  std::uint64_t last_arrival = 0;
  std::uint32_t open_orders = 0;
  std::uint32_t steps_left = 0;  // what the present command may still do
  bool is_killed = false;
  bool is_broken = false;  // an invariant failed: nothing may be believed any more
  std::uint32_t rules = RULES;
  std::optional<Configuration> configuration;

  Orders orders;
  OrderIds order_ids;
  ClientIds client_ids;
  Quotes quotes;
  Protections protections;
  std::vector<std::uint32_t> done_quotes;  // sides that the present command ended
  Ring<Gone> gone;
  KeptTrades kept_trades;
  MappedArray<Admission> admissions;
  std::uint64_t definitions = 1;  // grows with every command that may make admissions untrue
  MappedArray<Balance> balances;

  std::vector<Account> accounts;
  std::vector<Session> sessions;
  std::vector<std::unique_ptr<Instrument>> instruments;
  std::vector<Asset> assets;
  std::vector<Firm> firms;
  std::vector<FeeSchedule> fee_schedules;
  std::vector<SourcePosition> sources;
  NumberMap account_numbers;
  NumberMap session_numbers;
  NumberMap instrument_numbers;
  NumberMap asset_numbers;
  NumberMap firm_numbers;
  NumberMap fee_schedule_numbers;
  KeyMap source_numbers;
  Deadlines deadlines;
  // Scope, target, instrument and side of what clients themselves stopped.
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>> suspensions;
  std::set<std::uint32_t> late_stops;  // instruments whose reached stops a command left waiting
  std::map<std::uint64_t, QuoteRequest> quote_requests;  // the open ones, by number
  std::map<std::uint64_t, RfqQuote> rfq_quotes;          // those that stand, by number
  std::set<std::pair<NameOf, std::string>> names;  // all names and symbols in use
  std::unordered_map<Reference, bool> references;  // true: it names a withdrawal, or did
  std::unordered_map<Reference, Withdrawal> withdrawals;

 private:
  static constexpr std::size_t ADMISSIONS = 1024;

  std::uint32_t make_balance(std::uint32_t account, std::uint32_t asset);
  [[nodiscard]] FeeSchedule assigned_rates(const Account& account,
                                           const Instrument& instrument) const noexcept;

  Settings settings_;
  std::uint32_t last_balance_ = 0;
};

}  // namespace core
