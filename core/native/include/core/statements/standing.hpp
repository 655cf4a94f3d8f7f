// How every account stands, kept from events alone: what the venue's statements say.
//
// The fast twin of tests/twins/standing.py. Whoever begins with nothing and reads all events knows
// the same as who was there all the time; an image only saves the reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/arithmetic.hpp"
#include "core/layouts.hpp"

namespace core::statements {

// An open order, and the hash of its public state once somebody has asked for it.
struct Order {
  std::uint64_t order_id;
  std::int64_t price_ticks;
  std::int64_t quantity_lots;
  std::int64_t filled_lots;
  std::int64_t filled_value;
  std::int64_t leaves_lots;
  std::int64_t held_atoms;
  std::uint64_t hash;
  std::uint32_t session;
  std::uint32_t instrument;
  std::uint8_t side;
  std::uint8_t time_in_force;
  std::uint8_t is_hashed;  // 1 or 0, and as a number: a bool from foreign bytes may be neither
  Text<40> client_order_id;
};

// What an account has traded in one instrument, ever. Values are in ticks x lots: their sums may
// leave 64 bits.
struct Traded {
  std::uint64_t executions = 0;
  std::int64_t bought_lots = 0;
  std::int64_t sold_lots = 0;
  Wide bought_value = 0;
  Wide sold_value = 0;
};

struct Money {
  std::int64_t balance_atoms = 0;
  std::int64_t held_atoms = 0;
};

// A firm quote on request, and what it holds of quote and base.
struct Quote {
  std::uint32_t instrument;
  std::int64_t bid_held_atoms;
  std::int64_t ask_held_atoms;
};

struct Account {
  std::uint64_t executions = 0;
  std::uint64_t executions_sum = 0;  // of their hashes, modulo 2**64
  std::unordered_map<std::uint64_t, Order> orders;
  std::map<std::uint32_t, Traded> traded;
  std::map<std::uint32_t, Money> money;
  std::unordered_map<std::uint64_t, Quote> quotes;  // by the request that they answer
};

// What a fence says of one order: `event` is that of its cancel, zero when it rests.
struct Gone {
  Order order;
  std::uint32_t account;
  std::uint64_t event;
};

// A connection's end, with the fate of every order that it concerned.
struct Fence {
  events::SessionFenced event;
  std::vector<Gone> orders;
};

// How far a batch was read.
struct Reading {
  bool is_damaged = false;  // at `offset` stands what is no record, or one that is cut short
  std::size_t offset = 0;   // of the first event that was not taken
  std::vector<Fence> fences;
};

class Standing {
 public:
  // Take the events of a batch up to the one numbered `through`, each once and in order.
  [[nodiscard]] Reading read(std::span<const std::byte> batch, std::uint64_t through);

  // None for an account without history.
  [[nodiscard]] const Account* account(std::uint32_t number) const noexcept;
  [[nodiscard]] const std::unordered_map<std::uint32_t, Account>& accounts() const noexcept {
    return accounts_;
  }
  // Take note of the hash of an order, which holds until the order changes.
  void keep_hash(std::uint32_t account, std::uint64_t order_id, std::uint64_t hash);

  [[nodiscard]] std::vector<std::byte> image() const;
  // Begin with what was saved; false for bytes that are no image, which change nothing.
  [[nodiscard]] bool restore(std::span<const std::byte> image);

 private:
  struct Pair {
    std::uint32_t base;
    std::uint32_t quote;
  };

  // An order's figures after a trade.
  struct Progress {
    std::int64_t quantity_lots;
    std::int64_t filled_lots;
    std::int64_t filled_value;
    std::int64_t leaves_lots;
    std::int64_t held_atoms;
  };

  // Write or read all that an image has.
  template <class Archive, class Self>
  static void archive(Archive& archive, Self& standing);

  bool take(std::span<const std::byte> record, std::vector<Fence>& fences);

  template <class Event>
  void keep(const Event& event);
  template <class Event>
  void drop(const Event& event);
  void cancel(const events::OrderCancelled& event);
  void trade(const events::TradeExecuted& event);
  template <class Change>
  void change(const Change& event);
  template <class Event>
  void move(const Event& event);
  void transfer(const events::FundsTransferred& event);
  void quote(const events::RfqQuoteGiven& event);
  template <class QuoteEvent>
  void unquote(const QuoteEvent& event);
  Fence fenced(const events::SessionFenced& event);

  void count(std::uint32_t number, const events::TradeExecuted& event, bool is_bought);
  template <class Trade>
  void settle(const Trade& event);
  void leave(Account& account, std::uint64_t order_id, const Progress& progress);
  void hold(Account& account, const Order& order, std::int64_t change_atoms);
  void hold(Account& account, const Quote& quote, std::int64_t sign);
  void pay(std::uint32_t instrument, Account& account, std::int64_t base, std::int64_t quote);
  void begin_command(std::uint64_t sequence);

  std::unordered_map<std::uint32_t, Account> accounts_;
  std::unordered_map<std::uint32_t, Pair> pairs_;  // by instrument
  std::unordered_map<std::uint32_t, std::uint32_t> firms_of_accounts_;
  std::unordered_map<std::uint32_t, std::uint32_t> firms_of_sessions_;
  // Sessions that something may rest of: of others no order is looked for at a fence.
  std::unordered_set<std::uint32_t> placing_;
  std::vector<Gone> cancelled_;  // by a disconnect, in the command at hand
  std::uint64_t sequence_ = 0;
};

}  // namespace core::statements
