// Accepting a quote: it trades at once, for whoever gave it cannot take another look.
//
// Both sides become orders, the maker's the earlier one, and fill each other whole. The price is
// negotiated: it moves neither the last price nor stops, reference or band.
#include "core/entry.hpp"
#include "core/matching.hpp"
#include "core/negotiation.hpp"

namespace core {

namespace {

// What an acceptance names: the requester's own offer, or nothing.
struct Offer {
  const QuoteRequest* request = nullptr;
  const RfqQuote* quote = nullptr;

  [[nodiscard]] std::int64_t price_ticks(std::uint8_t taker_side) const noexcept {
    return taker_side == side::BUY ? quote->ask_ticks : quote->bid_ticks;
  }
};

Offer find_offer(const Venue& venue, const commands::AcceptRfqQuote& command) {
  const auto at = venue.rfq_quotes.find(command.quote_id);
  if (at == venue.rfq_quotes.end()) {
    return {};
  }
  const QuoteRequest& request = venue.quote_requests.at(at->second.request);
  if (request.account != venue.find_account(command.account)) {
    return {};  // somebody else's is nobody's
  }
  return {&request, &at->second};
}

// The order that an acceptance is; without an offer, on the terms that it names.
commands::PlaceOrder order_asked_for(const Venue& venue, const commands::AcceptRfqQuote& command,
                                     const Offer& offer) noexcept {
  commands::PlaceOrder order{};
  order.account = command.account;
  order.session = command.session;
  order.connection = command.connection;
  order.instrument = command.instrument;
  order.side = command.side;
  order.order_type = order_type::LIMIT;
  order.time_in_force = time_in_force::FILL_OR_KILL;
  order.trader = command.trader;
  order.price_ticks = command.price_ticks;
  order.quantity_lots = command.quantity_lots;
  order.client_order_id = command.client_order_id;
  if (offer.quote != nullptr) {
    order.instrument = venue.instruments[offer.request->instrument]->number;
    order.price_ticks = offer.price_ticks(command.side);
    order.quantity_lots = offer.request->quantity_lots;
  }
  return order;
}

// Whether what is accepted is not quoted so, or outside the instrument's bounds of now.
bool refuses_terms(const commands::AcceptRfqQuote& command, const Offer& offer,
                   const InstrumentLimits& limits, std::int64_t now_ns, Refused& refused) {
  if (command.side != side::BUY && command.side != side::SELL) {
    return refused.because(code::FIELD_INVALID);
  }
  const std::int64_t price_ticks = offer.price_ticks(command.side);
  if (price_ticks == 0) {
    return refused.because(code::RFQ_SIDE_NOT_QUOTED, 0, command.side);
  }
  if (command.valid_until_ns != 0 && now_ns > command.valid_until_ns) {
    return refused.because(code::EXPIRY_INVALID, command.valid_until_ns, now_ns);
  }
  return refuses_terms_mismatch(command.price_ticks, price_ticks, refused) ||
         refuses_terms_mismatch(command.quantity_lots, offer.request->quantity_lots, refused) ||
         refuses_price_range(price_ticks, limits, refused) ||
         refuses_quantity(offer.request->quantity_lots, limits, refused) ||
         (!is_client_id(command.client_order_id) &&
          refused.because(code::CLIENT_ORDER_ID_INVALID));
}

// Whether the account may not trade with the offer now, on the terms that it names.
bool refuses_taker(Venue& venue, const commands::AcceptRfqQuote& command, const Offer& offer,
                   Admission& asker, Refused& refused) {
  const std::uint32_t number =
      offer.request == nullptr ? 0 : venue.instruments[offer.request->instrument]->number;
  const auto& header = reinterpret_cast<const commands::Header&>(command);
  if (refuses_negotiator(venue, header, number, asker, refused)) {
    return true;
  }
  if (offer.quote == nullptr) {
    return refused.because(code::RFQ_QUOTE_UNKNOWN);
  }
  if (command.instrument != 0 && command.instrument != number) {
    return refused.because(code::INSTRUMENT_MISMATCH, number, command.instrument);
  }
  const Instrument& instrument = *asker.instrument;
  if (refuses_negotiation_phase(instrument.phase, refused) ||
      refuses_terms(command, offer, instrument.limits, venue.last_time_ns, refused)) {
    return true;
  }
  const std::int64_t price_ticks = offer.price_ticks(command.side);
  const std::int64_t reference_ticks = instrument.reference_ticks;
  const std::uint32_t collar_ppm = instrument.limits.collar_ppm;
  const std::uint32_t hash = venue.client_ids.hash(command.account, command.client_order_id);
  return refuses_collar(side::BUY, price_ticks, reference_ticks, collar_ppm, refused) ||
         refuses_collar(side::SELL, price_ticks, reference_ticks, collar_ppm, refused) ||
         refuses_notional(notional_at(venue, *offer.request, price_ticks), instrument.limits,
                          refused) ||
         refuses_rate(venue, venue.accounts[asker.account], refused) ||
         refuses_client_id(venue, asker.account, hash, command.client_order_id, true, refused);
}

// What a new order ties up.
std::int64_t hold_of_new(const commands::PlaceOrder& order, const Admission& asker) noexcept {
  const Instrument& instrument = *asker.instrument;
  if (order.side == side::SELL) {
    return order.quantity_lots * instrument.lot_atoms;
  }
  return hold_buy(order.price_ticks * order.quantity_lots * instrument.tick_lot_atoms,
                  std::max({asker.maker_ppm, asker.taker_ppm, 0}), 0);
}

// Whether the requester's position and funds do not allow the trade.
bool refuses_means(Venue& venue, const commands::PlaceOrder& order, const Admission& asker,
                   Refused& refused) {
  const bool is_buy = order.side == side::BUY;
  const Balance& base = venue.balances[asker.base];
  const Balance& holding = is_buy ? venue.balances[asker.quote] : base;
  return refuses_order_counts(venue, venue.accounts[asker.account], *asker.instrument, refused) ||
         refuses_buying(base, is_buy, order.quantity_lots, asker.instrument->lot_atoms,
                        refused) ||
         refuses_funds(holding.available_atoms(), hold_of_new(order, asker), refused);
}

// The order that a quote becomes, the other side of the requester's.
commands::PlaceOrder order_of_quote(const Venue& venue, const RfqQuote& quote,
                                    const commands::PlaceOrder& taker) noexcept {
  commands::PlaceOrder order = taker;
  order.account = venue.accounts[quote.account].number;
  order.session = quote.session;
  order.connection = quote.connection;
  order.side = taker.side == side::BUY ? side::SELL : side::BUY;
  order.trader = quote.trader;
  order.client_order_id = quote.client_quote_id;
  return order;
}

// Accept an order that fills in the same command, without passing the book; return its index.
std::uint32_t enter(Venue& venue, const commands::PlaceOrder& order, const Admission& asker) {
  NewOrder decided;
  decided.asker = &asker;
  decided.price_ticks = order.price_ticks;
  decided.quantity_lots = order.quantity_lots;
  decided.notional_atoms =
      order.price_ticks * order.quantity_lots * asker.instrument->tick_lot_atoms;
  decided.held_atoms = hold_of_new(order, asker);
  return accept_order(venue, order, decided);
}

// Let both sides be orders and fill each other; then all that the request was is over.
void trade(Venue& venue, std::uint64_t number, const commands::PlaceOrder& taker,
           const Admission& taker_asker) {
  const RfqQuote quote = release_quote(venue, number);
  Instrument& instrument = *taker_asker.instrument;
  Admission maker_asker = taker_asker;
  maker_asker.account = quote.account;
  maker_asker.base = venue.balance_index(quote.account, instrument.base_asset);
  maker_asker.quote = venue.balance_index(quote.account, instrument.quote_asset);
  maker_asker.maker_ppm = quote.maker_ppm;  // of when the quote was given
  maker_asker.taker_ppm = quote.taker_ppm;
  const std::uint32_t maker_index = enter(venue, order_of_quote(venue, quote, taker), maker_asker);
  const std::uint32_t taker_index = enter(venue, taker, taker_asker);
  venue.orders.hot(maker_index).leaves_lots = 0;
  venue.orders.hot(taker_index).leaves_lots = 0;
  record_trade(venue, instrument, maker_index, taker_index, taker.quantity_lots,
               taker.price_ticks, TradeKind::NEGOTIATED);
  auto& event = venue.events.emit_zeroed<events::RfqQuoteEnded>();
  fill_quote(event, venue, venue.quote_requests.at(quote.request), quote);
  event.reason = rfq_end::ACCEPTED;
  end_request(venue, quote.request, rfq_end::ACCEPTED);
}

}  // namespace

void accept_rfq_quote(Venue& venue, const commands::AcceptRfqQuote& command) {
  Refused refused;
  Admission asker{};
  const Offer offer = find_offer(venue, command);
  const commands::PlaceOrder order = order_asked_for(venue, command, offer);
  if (refuses_taker(venue, command, offer, asker, refused) ||
      refuses_means(venue, order, asker, refused)) {
    reject_order(venue, order, refused);
    return;
  }
  trade(venue, command.quote_id, order, asker);
}

}  // namespace core
