// Asking for quotes, and answering with a firm one. The order of checks is that of an order
// wherever the same is checked, and the first failure wins.
#include "core/entry.hpp"
#include "core/negotiation.hpp"

namespace core {

namespace {

bool refuses_lifetime(std::int64_t expire_at_ns, std::int64_t now_ns, Refused& refused) noexcept {
  const std::int64_t latest_ns = now_ns + QUOTE_REQUEST_LIFETIME_MAX_NS;
  if (expire_at_ns <= now_ns) {
    return refused.because(code::EXPIRY_INVALID, now_ns, expire_at_ns);
  }
  return expire_at_ns > latest_ns &&
         refused.because(code::EXPIRY_INVALID, latest_ns, expire_at_ns);
}

bool refuses_open_requests(const Venue& venue, const Account& account, Refused& refused) {
  if (account.quote_requests >= QUOTE_REQUESTS_OF_ACCOUNT_MAX) {
    return refused.because(code::QUOTE_REQUESTS_EXCEEDED, QUOTE_REQUESTS_OF_ACCOUNT_MAX,
                           Wide{account.quote_requests} + 1);
  }
  const std::size_t usage = venue.quote_requests.size();
  return usage >= QUOTE_REQUESTS_MAX &&
         refused.because(code::QUOTE_REQUESTS_EXCEEDED, QUOTE_REQUESTS_MAX,
                         static_cast<Wide>(usage) + 1);
}

bool refuses_request(Venue& venue, const commands::RequestForQuote& command,
                     const Admission& asker, Refused& refused) {
  const Instrument& instrument = *asker.instrument;
  Account& account = venue.accounts[asker.account];
  return refuses_negotiation_phase(instrument.phase, refused) ||
         (command.side > side::SELL &&
          refused.because(code::FIELD_INVALID, side::SELL, command.side)) ||
         refuses_quantity(command.quantity_lots, instrument.limits, refused) ||
         refuses_lifetime(command.expire_at_ns, venue.last_time_ns, refused) ||
         (!is_client_id(command.client_request_id) &&
          refused.because(code::CLIENT_ORDER_ID_INVALID)) ||
         refuses_rate(venue, account, refused) ||
         (find_request(venue, asker.account, command.client_request_id) != 0 &&
          refused.because(code::DUPLICATE_QUOTE_REQUEST_ID)) ||
         refuses_open_requests(venue, account, refused);
}

void reject_request(Venue& venue, const commands::RequestForQuote& command,
                    const Refused& refused) {
  auto& event = venue.events.emit_zeroed<events::QuoteRequestRejected>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.side = command.side;
  event.code = refused.code;
  event.trader = command.trader;
  event.quantity_lots = command.quantity_lots;
  event.expire_at_ns = command.expire_at_ns;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.client_request_id = command.client_request_id;
}

// Whether the session may not answer this request for the account now.
bool refuses_maker(Venue& venue, const commands::GiveRfqQuote& command,
                   const QuoteRequest* request, Admission& asker, Refused& refused) {
  const std::uint32_t instrument =
      request == nullptr ? 0 : venue.instruments[request->instrument]->number;
  const auto& header = reinterpret_cast<const commands::Header&>(command);
  if (refuses_negotiator(venue, header, instrument, asker, refused)) {
    return true;
  }
  const std::uint32_t rights = venue.find_session(command.session)->rights_on(command.account);
  if ((rights & RIGHT_QUOTE_REQUESTS) == 0) {
    return refused.because(code::SESSION_NOT_ENTITLED, RIGHT_QUOTE_REQUESTS, rights);
  }
  if (request == nullptr) {
    return refused.because(code::QUOTE_REQUEST_UNKNOWN);
  }
  if (is_own_request(venue, *request, asker.account)) {
    return refused.because(code::RFQ_OWN_FIRM);
  }
  if (command.instrument != 0 && command.instrument != instrument) {
    return refused.because(code::INSTRUMENT_MISMATCH, instrument, command.instrument);
  }
  return refuses_negotiation_phase(asker.instrument->phase, refused);
}

bool refuses_quote_price(const Instrument& instrument, std::uint8_t quoted_side,
                         std::int64_t price_ticks, Refused& refused) noexcept {
  return price_ticks != 0 &&
         (refuses_price_range(price_ticks, instrument.limits, refused) ||
          refuses_collar(quoted_side, price_ticks, instrument.reference_ticks,
                         instrument.limits.collar_ppm, refused));
}

bool refuses_quote_notional(const Venue& venue, const QuoteRequest& request,
                            std::int64_t price_ticks, Refused& refused) noexcept {
  return price_ticks != 0 &&
         refuses_notional(notional_at(venue, request, price_ticks),
                          venue.instruments[request.instrument]->limits, refused);
}

// Whether a quote's own terms are invalid, or the throttle does not let it pass.
bool refuses_quote(Venue& venue, const commands::GiveRfqQuote& command,
                   const QuoteRequest& request, const RfqQuote& quote, Refused& refused) {
  const Instrument& instrument = *venue.instruments[request.instrument];
  const std::int64_t now_ns = venue.last_time_ns;
  return refuses_quoted_sides(request.side, quote.bid_ticks, quote.ask_ticks, refused) ||
         refuses_terms_mismatch(command.quantity_lots, request.quantity_lots, refused) ||
         (command.expire_at_ns != 0 && command.expire_at_ns <= now_ns &&
          refused.because(code::EXPIRY_INVALID, now_ns, command.expire_at_ns)) ||
         refuses_quantity(request.quantity_lots, instrument.limits, refused) ||
         refuses_quote_price(instrument, side::BUY, quote.bid_ticks, refused) ||
         refuses_quote_price(instrument, side::SELL, quote.ask_ticks, refused) ||
         (!is_client_id(quote.client_quote_id) &&
          refused.because(code::CLIENT_ORDER_ID_INVALID)) ||
         refuses_quote_notional(venue, request, quote.bid_ticks, refused) ||
         refuses_quote_notional(venue, request, quote.ask_ticks, refused) ||
         refuses_rate(venue, venue.accounts[quote.account], refused);
}

// The account's quote that stands for a request, nothing if it has none.
const RfqQuote* earlier_quote(const Venue& venue, const QuoteRequest& request,
                              std::uint32_t account) {
  for (const std::uint64_t number : request.quotes) {
    const RfqQuote& quote = venue.rfq_quotes.at(number);
    if (quote.account == account) {
      return &quote;
    }
  }
  return nullptr;
}

// Whether the maker cannot afford a quote. What its earlier one ties up counts as free.
bool refuses_means(Venue& venue, const QuoteRequest& request, const RfqQuote& quote,
                   const Admission& asker, const RfqQuote* earlier, Refused& refused) {
  const std::int64_t lot_atoms = asker.instrument->lot_atoms;
  const Balance& base = venue.balances[asker.base];
  const Balance& quote_balance = venue.balances[asker.quote];
  const bool had_bid = earlier != nullptr && earlier->bid_ticks != 0;
  if (quote.bid_ticks != 0 &&
      refuses_position(base.balance_atoms,
                       base.buying_atoms - (had_bid ? request.quantity_lots * lot_atoms : 0),
                       request.quantity_lots * lot_atoms, base.position_max_atoms, refused)) {
    return true;
  }
  const std::int64_t free_bid_atoms = earlier == nullptr ? 0 : earlier->bid_held_atoms;
  const std::int64_t free_ask_atoms = earlier == nullptr ? 0 : earlier->ask_held_atoms;
  return refuses_funds(quote_balance.available_atoms() + free_bid_atoms,
                       bid_hold(venue, request, quote), refused) ||
         refuses_funds(base.available_atoms() + free_ask_atoms, ask_hold(venue, request, quote),
                       refused);
}

bool refuses_quote_room(Venue& venue, const QuoteRequest& request, const RfqQuote& quote,
                        const Admission& asker, const RfqQuote* earlier, Refused& refused) {
  const Account& account = venue.accounts[asker.account];
  const std::uint32_t hash = venue.client_ids.hash(account.number, quote.client_quote_id);
  if (refuses_client_id(venue, asker.account, hash, quote.client_quote_id, true, refused) ||
      refuses_order_counts(venue, account, *asker.instrument, refused)) {
    return true;
  }
  if (earlier == nullptr && request.quotes.size() >= QUOTES_OF_REQUEST_MAX) {
    return refused.because(code::RFQ_QUOTES_EXCEEDED, QUOTES_OF_REQUEST_MAX,
                           static_cast<Wide>(request.quotes.size()) + 1);
  }
  return refuses_means(venue, request, quote, asker, earlier, refused);
}

// The quote that a command would give, not yet numbered and holding nothing.
RfqQuote quote_of(const commands::GiveRfqQuote& command, const QuoteRequest& request,
                  const Admission& asker) noexcept {
  RfqQuote quote{};
  quote.request = request.number;
  quote.account = asker.account;
  quote.session = command.session;
  quote.connection = command.connection;
  quote.trader = command.trader;
  quote.bid_ticks = command.bid_price_ticks;
  quote.ask_ticks = command.ask_price_ticks;
  const std::int64_t until_ns =
      command.expire_at_ns == 0 ? request.expires_at_ns : command.expire_at_ns;
  quote.expires_at_ns = std::min(until_ns, request.expires_at_ns);
  quote.maker_ppm = asker.maker_ppm;
  quote.taker_ppm = asker.taker_ppm;
  quote.client_quote_id = command.client_quote_id;
  return quote;
}

void reject_quote(Venue& venue, const commands::GiveRfqQuote& command,
                  const QuoteRequest* request, const Refused& refused) {
  auto& event = venue.events.emit_zeroed<events::RfqQuoteRejected>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = request == nullptr ? 0 : venue.instruments[request->instrument]->number;
  event.request_id = command.request_id;
  event.code = refused.code;
  event.trader = command.trader;
  event.bid_price_ticks = command.bid_price_ticks;
  event.ask_price_ticks = command.ask_price_ticks;
  event.quantity_lots = command.quantity_lots;
  event.expire_at_ns = command.expire_at_ns;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.client_quote_id = command.client_quote_id;
}

void give_quote(Venue& venue, RfqQuote quote, const Admission& asker) {
  const QuoteRequest& request = venue.quote_requests.at(quote.request);
  quote.number = ++venue.last_arrival;
  quote.bid_held_atoms = bid_hold(venue, request, quote);
  quote.ask_held_atoms = ask_hold(venue, request, quote);
  venue.balances[asker.quote].held_atoms += quote.bid_held_atoms;
  venue.balances[asker.base].held_atoms += quote.ask_held_atoms;
  add_quote(venue, quote);
  fill_quote(venue.events.emit_zeroed<events::RfqQuoteGiven>(), venue, request, quote);
}

}  // namespace

void request_for_quote(Venue& venue, const commands::RequestForQuote& command) {
  Refused refused;
  Admission asker{};
  const auto& header = reinterpret_cast<const commands::Header&>(command);
  if (refuses_negotiator(venue, header, command.instrument, asker, refused) ||
      (asker.instrument == nullptr && refused.because(code::INSTRUMENT_UNKNOWN)) ||
      refuses_request(venue, command, asker, refused)) {
    reject_request(venue, command, refused);
    return;
  }
  const QuoteRequest request{
      .number = ++venue.last_arrival,
      .account = asker.account,
      .session = command.session,
      .connection = command.connection,
      .trader = command.trader,
      .instrument = asker.instrument->index,
      .side = command.side,
      .quantity_lots = command.quantity_lots,
      .expires_at_ns = command.expire_at_ns,
      .client_request_id = command.client_request_id,
      .quotes = {},
  };
  add_request(venue, request);
  fill_request(venue.events.emit_zeroed<events::QuoteRequested>(), venue, request);
}

void give_rfq_quote(Venue& venue, const commands::GiveRfqQuote& command) {
  Refused refused;
  Admission asker{};
  const auto at = venue.quote_requests.find(command.request_id);
  const QuoteRequest* request = at == venue.quote_requests.end() ? nullptr : &at->second;
  if (refuses_maker(venue, command, request, asker, refused)) {
    reject_quote(venue, command, request, refused);
    return;
  }
  const RfqQuote quote = quote_of(command, *request, asker);
  const RfqQuote* earlier = earlier_quote(venue, *request, asker.account);
  if (refuses_quote(venue, command, *request, quote, refused) ||
      refuses_quote_room(venue, *request, quote, asker, earlier, refused)) {
    reject_quote(venue, command, request, refused);
    return;
  }
  if (earlier != nullptr) {
    end_quote(venue, earlier->number, rfq_end::REPLACED);
  }
  give_quote(venue, quote, asker);
}

}  // namespace core
