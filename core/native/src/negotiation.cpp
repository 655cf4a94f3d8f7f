// The steps that begin and end requests for quote and their quotes.
#include "core/negotiation.hpp"

#include <algorithm>

#include "core/suspensions.hpp"

namespace core {

std::int64_t bid_hold(const Venue& venue, const QuoteRequest& request,
                      const RfqQuote& quote) noexcept {
  return hold_buy(notional_at(venue, request, quote.bid_ticks),
                  std::max({quote.maker_ppm, quote.taker_ppm, 0}), 0);
}

std::int64_t ask_hold(const Venue& venue, const QuoteRequest& request,
                      const RfqQuote& quote) noexcept {
  return quote.ask_ticks == 0
             ? 0
             : request.quantity_lots * venue.instruments[request.instrument]->lot_atoms;
}

namespace {

// What a quote's bid would bring of the base asset.
std::int64_t buying_of(const Instrument& instrument, const QuoteRequest& request,
                       const RfqQuote& quote) noexcept {
  return quote.bid_ticks == 0 ? 0 : request.quantity_lots * instrument.lot_atoms;
}

void say_quote_ended(Venue& venue, const QuoteRequest& request, const RfqQuote& quote,
                     std::uint8_t reason) {
  auto& event = venue.events.emit_zeroed<events::RfqQuoteEnded>();
  fill_quote(event, venue, request, quote);
  event.reason = reason;
}

}  // namespace

void add_request(Venue& venue, const QuoteRequest& request) {
  ++venue.accounts[request.account].quote_requests;
  ++venue.instruments[request.instrument]->quote_requests;
  venue.deadlines.insert({request.expires_at_ns, Deadline::QUOTE_REQUEST_END, request.number});
  venue.quote_requests.emplace(request.number, request);
}

void add_quote(Venue& venue, RfqQuote quote) {
  QuoteRequest& request = venue.quote_requests.at(quote.request);
  const Instrument& instrument = *venue.instruments[request.instrument];
  Account& account = venue.accounts[quote.account];
  const std::uint32_t hash = venue.client_ids.hash(account.number, quote.client_quote_id);
  quote.id = venue.client_ids.add(hash, quote.account, quote.client_quote_id, 0);
  ++account.client_ids;
  venue.balance(quote.account, instrument.base_asset).buying_atoms +=
      buying_of(instrument, request, quote);
  venue.deadlines.insert({quote.expires_at_ns, Deadline::RFQ_QUOTE_END, quote.number});
  request.quotes.push_back(quote.number);
  venue.rfq_quotes.emplace(quote.number, quote);
}

RfqQuote release_quote(Venue& venue, std::uint64_t number) {
  const auto at = venue.rfq_quotes.find(number);
  RfqQuote quote = at->second;
  QuoteRequest& request = venue.quote_requests.at(quote.request);
  const Instrument& instrument = *venue.instruments[request.instrument];
  Balance& base = venue.balance(quote.account, instrument.base_asset);
  venue.balance(quote.account, instrument.quote_asset).held_atoms -= quote.bid_held_atoms;
  base.held_atoms -= quote.ask_held_atoms;
  base.buying_atoms -= buying_of(instrument, request, quote);
  quote.bid_held_atoms = quote.ask_held_atoms = 0;
  venue.client_ids.remove(quote.id);
  --venue.accounts[quote.account].client_ids;
  venue.deadlines.erase({quote.expires_at_ns, Deadline::RFQ_QUOTE_END, number});
  std::erase(request.quotes, number);
  venue.rfq_quotes.erase(at);
  return quote;
}

void end_quote(Venue& venue, std::uint64_t number, std::uint8_t reason) {
  const RfqQuote quote = release_quote(venue, number);
  const std::uint32_t hash =
      venue.client_ids.hash(venue.accounts[quote.account].number, quote.client_quote_id);
  remember_mass_cancel(venue, quote.account, hash, quote.client_quote_id, venue.last_time_ns);
  say_quote_ended(venue, venue.quote_requests.at(quote.request), quote, reason);
}

void end_request(Venue& venue, std::uint64_t number, std::uint8_t reason) {
  const auto at = venue.quote_requests.find(number);
  const std::vector<std::uint64_t> quotes = at->second.quotes;
  for (const std::uint64_t quote : quotes) {
    end_quote(venue, quote, rfq_end::REQUEST_ENDED);
  }
  const QuoteRequest& request = at->second;
  --venue.accounts[request.account].quote_requests;
  --venue.instruments[request.instrument]->quote_requests;
  venue.deadlines.erase({request.expires_at_ns, Deadline::QUOTE_REQUEST_END, number});
  auto& event = venue.events.emit_zeroed<events::QuoteRequestEnded>();
  fill_request(event, venue, request);
  event.reason = reason;
  venue.quote_requests.erase(at);
}

void end_negotiations(Venue& venue, const Negotiations& ending, std::uint8_t reason) {
  for (const std::uint64_t quote : ending.quotes) {
    end_quote(venue, quote, reason);
  }
  for (const std::uint64_t request : ending.requests) {
    end_request(venue, request, reason);
  }
}

std::uint64_t find_request(const Venue& venue, std::uint32_t account,
                           const Text<40>& client_request_id) {
  for (const auto& [number, request] : venue.quote_requests) {
    if (request.account == account && request.client_request_id == client_request_id) {
      return number;
    }
  }
  return 0;
}

bool refuses_negotiator(Venue& venue, const commands::Header& command, std::uint32_t instrument,
                        Admission& asker, Refused& refused) {
  if (find_admission(venue, command, instrument, asker, refused) == nullptr) {
    return true;
  }
  const bool is_killed = asker.instrument != nullptr && asker.instrument->is_killed;
  // A quote may have two sides, so a suspension of either stops it.
  const std::uint32_t number = asker.instrument == nullptr ? 0 : instrument;
  return refuses_killed(venue, asker, command.session, is_killed, refused) ||
         refuses_suspended(venue, command.session, command.account, number, side::BUY, refused) ||
         refuses_suspended(venue, command.session, command.account, number, side::SELL, refused);
}

bool refuses_negotiation_phase(std::uint8_t market_phase, Refused& refused) noexcept {
  return market_phase != phase::CONTINUOUS &&
         (refuses_amend_phase(market_phase, refused) ||
          refused.because(code::ORDER_NOT_ALLOWED_IN_PHASE, 0, market_phase));
}

bool refuses_quoted_sides(std::uint8_t request_side, std::int64_t bid_ticks,
                          std::int64_t ask_ticks, Refused& refused) noexcept {
  if (bid_ticks != 0 && request_side == side::BUY) {
    return refused.because(code::PRICE_NOT_ALLOWED, 0, bid_ticks);
  }
  if (ask_ticks != 0 && request_side == side::SELL) {
    return refused.because(code::PRICE_NOT_ALLOWED, 0, ask_ticks);
  }
  if (bid_ticks == 0 && ask_ticks == 0) {
    return refused.because(code::PRICE_REQUIRED);
  }
  return bid_ticks != 0 && ask_ticks != 0 && bid_ticks >= ask_ticks &&
         refused.because(code::RFQ_PRICES_CROSSED, Wide{ask_ticks} - 1, bid_ticks);
}

}  // namespace core
