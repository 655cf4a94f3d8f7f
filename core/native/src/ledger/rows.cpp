#include "core/ledger/rows.hpp"

#include <algorithm>
#include <cstring>

#include "core/event_records.hpp"
#include "core/ledger/copy_fields.hpp"

namespace core::ledger {

namespace {

// settlement/chart.py: kinds of ledger accounts, and causes of entries.
constexpr std::int16_t FUNDS = 1;
constexpr std::int16_t FEE_INCOME = 10;
constexpr std::int16_t REBATES = 11;
constexpr std::int16_t BY_TRADE = 1;
constexpr std::int16_t BY_FEE = 2;
constexpr std::int16_t BY_REBATE = 7;
constexpr std::int64_t VENUE = 0;

constexpr std::size_t LEGS = 8;

struct Leg {
  std::int16_t leg;
  std::int16_t kind;
  std::int16_t cause;
  std::int64_t account;
  std::int64_t asset;
  std::int64_t amount;
};

void add_text(std::string& out, const char* text, std::size_t size) {
  while (size > 0 && text[size - 1] == '\0') {
    --size;
  }
  const std::size_t length_at = out.size();
  out.append(4, '\0');
  for (std::size_t index = 0; index < size; ++index) {
    const auto letter = static_cast<unsigned char>(text[index]);
    if (letter != 0 && letter < 0x80) {
      out.push_back(static_cast<char>(letter));
      continue;
    }
    constexpr char DIGITS[] = "0123456789abcdef";
    out.append("\\x");
    out.push_back(DIGITS[letter >> 4]);
    out.push_back(DIGITS[letter & 15]);
  }
  const std::uint32_t length = swapped(static_cast<std::uint32_t>(out.size() - length_at - 4));
  std::memcpy(out.data() + length_at, &length, sizeof length);
}

void add_entry(std::string& out, const events::TradeExecuted& trade, const Leg& leg) {
  char row[ENTRY_BYTES];
  char* at = row;
  add_count(at, 8);
  add_field(at, static_cast<std::int64_t>(trade.number));
  add_field(at, leg.leg);
  add_field(at, leg.kind);
  add_field(at, leg.cause);
  add_field(at, leg.account);
  add_field(at, leg.asset);
  add_field(at, leg.amount);
  add_field(at, static_cast<std::int64_t>(trade.time_ns));
  out.append(row, sizeof row);
}

template <std::size_t Count>
void add_numbers(std::string& out, const std::array<std::int64_t, Count>& numbers) {
  char fields[Count * 12];
  char* at = fields;
  for (const std::int64_t number : numbers) {
    add_field(at, number);
  }
  out.append(fields, sizeof fields);
}

void add_trade_row(std::string& out, const events::TradeExecuted& trade) {
  char head[2];
  char* at = head;
  add_count(at, 18);
  out.append(head, sizeof head);
  add_numbers<8>(out, {static_cast<std::int64_t>(trade.number),
                       static_cast<std::int64_t>(trade.trade_id), trade.time_ns,
                       trade.instrument, trade.price_ticks, trade.quantity_lots,
                       trade.notional_atoms, trade.base_atoms});
  char terms[11];
  at = terms;
  add_field(at, static_cast<std::int16_t>(trade.taker_side));
  add_field(at, static_cast<std::int8_t>(trade.is_auction != 0));
  out.append(terms, sizeof terms);
  add_numbers<3>(out, {static_cast<std::int64_t>(trade.maker_order_id), trade.maker_account,
                       trade.maker_fee_atoms});
  add_text(out, trade.maker_client_order_id.data(), sizeof trade.maker_client_order_id);
  add_numbers<3>(out, {static_cast<std::int64_t>(trade.taker_order_id), trade.taker_account,
                       trade.taker_fee_atoms});
  add_text(out, trade.taker_client_order_id.data(), sizeof trade.taker_client_order_id);
}

}  // namespace

Reading Rows::read(std::span<const std::byte> frame, std::uint64_t first, std::uint64_t last) {
  Reading reading;
  std::size_t offset = 0;
  std::uint64_t expected = first;
  std::uint8_t flags = 0;
  while (offset < frame.size()) {
    const events::Header* event = event_at(frame, offset);
    if (event == nullptr || event->number != expected || event->kind >= KINDS) {
      return reading;
    }
    const KindRule rule = rules_[event->kind];
    if (rule.treatment == Treatment::UNKNOWN || rule.length != event->length) {
      return reading;
    }
    if (event->kind == events::TradeExecuted::KIND) {
      events::TradeExecuted trade;
      std::memcpy(&trade, frame.data() + offset, sizeof trade);
      if (!add_trade(trade)) {
        return reading;
      }
    } else if (rule.treatment == Treatment::LEFT_TO_CALLER) {
      reading.left.push_back(offset);
      if (event->kind == events::InstrumentCreated::KIND) {
        events::InstrumentCreated market;
        std::memcpy(&market, frame.data() + offset, sizeof market);
        know_market(market.instrument, market.base_asset, market.quote_asset);
      }
    }
    flags = event->flags;
    reading.time_ns = event->time_ns;
    ++expected;
    offset += event->length;
  }
  reading.is_whole = expected == last + 1 && (flags & LAST_OF_COMMAND) != 0;
  return reading;
}

void Rows::clear() noexcept {
  entries_.clear();
  trades_.clear();
  trade_count_ = 0;
}

bool Rows::add_trade(const events::TradeExecuted& trade) {
  const auto found = markets_.find(trade.instrument);
  if (found == markets_.end()) {
    return false;
  }
  const auto [base, quote] = found->second;
  add_trade_row(trades_, trade);
  ++trade_count_;
  const std::int64_t way = trade.taker_side == side::BUY ? 1 : -1;
  const std::int64_t to_taker = way * trade.base_atoms;
  const std::int64_t to_maker = way * trade.notional_atoms;
  const std::int64_t maker_fee = trade.maker_fee_atoms;
  const std::int64_t taker_fee = trade.taker_fee_atoms;
  constexpr std::int64_t NOTHING = 0;
  const std::int64_t paid = std::max(maker_fee, NOTHING) + std::max(taker_fee, NOTHING);
  const std::int64_t rebated = std::min(maker_fee, NOTHING) + std::min(taker_fee, NOTHING);
  const std::int64_t maker = trade.maker_account;
  const std::int64_t taker = trade.taker_account;
  const std::array<Leg, LEGS> legs{{
      {1, FUNDS, BY_TRADE, maker, base, -to_taker},
      {2, FUNDS, BY_TRADE, taker, base, to_taker},
      {3, FUNDS, BY_TRADE, maker, quote, to_maker},
      {4, FUNDS, BY_TRADE, taker, quote, -to_maker},
      {5, FUNDS, maker_fee > 0 ? BY_FEE : BY_REBATE, maker, quote, -maker_fee},
      {6, FUNDS, taker_fee > 0 ? BY_FEE : BY_REBATE, taker, quote, -taker_fee},
      {7, FEE_INCOME, BY_FEE, VENUE, quote, paid},
      {8, REBATES, BY_REBATE, VENUE, quote, rebated},
  }};
  for (const Leg& leg : legs) {
    if (leg.amount == 0) {
      continue;
    }
    add_entry(entries_, trade, leg);
    marks_.move(static_cast<std::int64_t>(trade.number), trade.time_ns,
                {leg.kind, leg.account, leg.asset}, leg.amount);
  }
  return true;
}

}  // namespace core::ledger
