// Requests for quote and the firm quotes that answer them: how they stand in memory, the steps
// that begin and end both, and the handlers of their commands.
//
// A quote ties up what it could cost at worst from when it is given until it ends, so that
// accepting it cannot fail for the maker: there is no last look.
#pragma once

#include <cstdint>
#include <vector>

#include "core/handlers.hpp"

namespace core {

// Constants of rule set 1: docs/matching.md, "Requests for quote".
inline constexpr std::uint32_t QUOTE_REQUESTS_OF_ACCOUNT_MAX = 16;
inline constexpr std::uint32_t QUOTE_REQUESTS_MAX = 1024;
inline constexpr std::uint32_t QUOTES_OF_REQUEST_MAX = 16;
inline constexpr std::int64_t QUOTE_REQUEST_LIFETIME_MAX_NS = std::int64_t{600} * 1'000'000'000;

// Numbers of requests and quotes, each ascending.
struct Negotiations {
  std::vector<std::uint64_t> requests;
  std::vector<std::uint64_t> quotes;
};

void request_for_quote(Venue& venue, const commands::RequestForQuote& command);
void give_rfq_quote(Venue& venue, const commands::GiveRfqQuote& command);
void accept_rfq_quote(Venue& venue, const commands::AcceptRfqQuote& command);
void withdraw_rfq(Venue& venue, const commands::WithdrawRfq& command);
void query_rfq(Venue& venue, const commands::QueryRfq& command);

// Let a request, or a quote, be known, counted and ended by its time.
void add_request(Venue& venue, const QuoteRequest& request);
void add_quote(Venue& venue, RfqQuote quote);

// Let a quote hold nothing and be known no more; its client's id is free for an order.
RfqQuote release_quote(Venue& venue, std::uint64_t number);

// End a quote that did not trade; its client's id is remembered for a while.
void end_quote(Venue& venue, std::uint64_t number, std::uint8_t reason);

// End a request, and before it every quote that stands for it.
void end_request(Venue& venue, std::uint64_t number, std::uint8_t reason);

// End quotes, then requests.
void end_negotiations(Venue& venue, const Negotiations& ending, std::uint8_t reason);

// The requests and quotes of which `is_in(account, session, instrument)` holds, account and
// instrument by index and the session by number.
template <class IsIn>
[[nodiscard]] Negotiations find_negotiations(const Venue& venue, IsIn is_in) {
  Negotiations found;
  for (const auto& [number, request] : venue.quote_requests) {
    if (is_in(request.account, request.session, request.instrument)) {
      found.requests.push_back(number);
    }
  }
  for (const auto& [number, quote] : venue.rfq_quotes) {
    const QuoteRequest& request = venue.quote_requests.at(quote.request);
    if (is_in(quote.account, quote.session, request.instrument)) {
      found.quotes.push_back(number);
    }
  }
  return found;
}

// An account's open request by its client's id, 0 for none.
[[nodiscard]] std::uint64_t find_request(const Venue& venue, std::uint32_t account,
                                         const Text<40>& client_request_id);

// What the sides of a quote tie up.
[[nodiscard]] std::int64_t bid_hold(const Venue& venue, const QuoteRequest& request,
                                    const RfqQuote& quote) noexcept;
[[nodiscard]] std::int64_t ask_hold(const Venue& venue, const QuoteRequest& request,
                                    const RfqQuote& quote) noexcept;

// Whether the session may not negotiate for the account now, kill switches included; who asks is
// found out into `asker`.
[[nodiscard]] bool refuses_negotiator(Venue& venue, const commands::Header& command,
                                      std::uint32_t instrument, Admission& asker,
                                      Refused& refused);

// Whether an instrument's phase takes no negotiated trades: only continuous trading does.
[[nodiscard]] bool refuses_negotiation_phase(std::uint8_t market_phase, Refused& refused) noexcept;

// Whether a quote lacks the side asked for, or has another; if none was asked, it needs one.
[[nodiscard]] bool refuses_quoted_sides(std::uint8_t request_side, std::int64_t bid_ticks,
                                        std::int64_t ask_ticks, Refused& refused) noexcept;

// Whether a term that is repeated is not the agreed one; zero repeats nothing.
[[nodiscard]] inline bool refuses_terms_mismatch(std::int64_t given, std::int64_t agreed,
                                                 Refused& refused) noexcept {
  return given != 0 && given != agreed &&
         refused.because(code::RFQ_TERMS_MISMATCH, agreed, given);
}

// Whether an account is of the requester's firm or owner group, and so not asked.
[[nodiscard]] inline bool is_own_request(const Venue& venue, const QuoteRequest& request,
                                         std::uint32_t account) noexcept {
  const Account& requester = venue.accounts[request.account];
  const Account& other = venue.accounts[account];
  return requester.firm == other.firm || requester.group == other.group;
}

// What a request is worth at a price, in quote atoms; the price is in the instrument's range.
[[nodiscard]] inline std::int64_t notional_at(const Venue& venue, const QuoteRequest& request,
                                              std::int64_t price_ticks) noexcept {
  return price_ticks * request.quantity_lots *
         venue.instruments[request.instrument]->tick_lot_atoms;
}

template <class Event>
void fill_request(Event& event, const Venue& venue, const QuoteRequest& request) noexcept {
  event.account = venue.accounts[request.account].number;
  event.session = request.session;
  event.connection = request.connection;
  event.instrument = venue.instruments[request.instrument]->number;
  event.request_id = request.number;
  event.side = request.side;
  event.quotes = static_cast<std::uint16_t>(request.quotes.size());
  event.trader = request.trader;
  event.quantity_lots = request.quantity_lots;
  event.expires_at_ns = request.expires_at_ns;
  event.client_request_id = request.client_request_id;
}

template <class Event>
void fill_quote(Event& event, const Venue& venue, const QuoteRequest& request,
                const RfqQuote& quote) noexcept {
  event.account = venue.accounts[quote.account].number;
  event.session = quote.session;
  event.connection = quote.connection;
  event.instrument = venue.instruments[request.instrument]->number;
  event.quote_id = quote.number;
  event.request_id = request.number;
  event.requester_account = venue.accounts[request.account].number;
  event.requester_session = request.session;
  event.requester_connection = request.connection;
  event.request_side = request.side;
  event.trader = quote.trader;
  event.bid_price_ticks = quote.bid_ticks;
  event.ask_price_ticks = quote.ask_ticks;
  event.quantity_lots = request.quantity_lots;
  event.expires_at_ns = quote.expires_at_ns;
  event.bid_held_atoms = quote.bid_held_atoms;
  event.ask_held_atoms = quote.ask_held_atoms;
  event.client_quote_id = quote.client_quote_id;
  event.client_request_id = request.client_request_id;
}

}  // namespace core
