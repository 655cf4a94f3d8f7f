// Open requests for quote and standing quotes in a snapshot: written, read back, and checked.
#include <algorithm>

#include "core/negotiation.hpp"
#include "core/snapshot.hpp"
#include "core/snapshot_reader.hpp"

namespace core {

namespace {

bool is_session_of(Venue& venue, std::uint32_t number, std::uint32_t account) {
  const Session* session = venue.find_session(number);
  return session != nullptr && session->firm == venue.accounts[account].firm;
}

bool is_request_in_range(Venue& venue, const QuoteRequest& request) {
  const Instrument& instrument = *venue.instruments[request.instrument];
  return request.number != 0 && request.number <= venue.last_arrival &&
         !venue.quote_requests.contains(request.number) &&
         venue.quote_requests.size() < QUOTE_REQUESTS_MAX &&
         venue.accounts[request.account].quote_requests < QUOTE_REQUESTS_OF_ACCOUNT_MAX &&
         is_session_of(venue, request.session, request.account) &&
         instrument.phase == phase::CONTINUOUS && request.side <= side::SELL &&
         request.quantity_lots >= 1 && request.quantity_lots <= instrument.quantity_ceiling &&
         request.expires_at_ns > 0 &&
         request.expires_at_ns <= venue.last_time_ns + QUOTE_REQUEST_LIFETIME_MAX_NS &&
         is_client_id(request.client_request_id) &&
         find_request(venue, request.account, request.client_request_id) == 0;
}

bool has_quote_of(const Venue& venue, const QuoteRequest& request, std::uint32_t account) {
  return std::any_of(request.quotes.begin(), request.quotes.end(), [&](std::uint64_t number) {
    return venue.rfq_quotes.at(number).account == account;
  });
}

bool is_quote_in_range(Venue& venue, const QuoteRequest& request, const RfqQuote& quote) {
  const std::int64_t price_ceiling = venue.instruments[request.instrument]->price_ceiling;
  const auto is_price = [price_ceiling](std::int64_t price_ticks) {
    return price_ticks >= 0 && price_ticks <= price_ceiling;
  };
  const auto is_of_rates = [&quote](const FeeSchedule& schedule) {
    return schedule.maker_ppm == quote.maker_ppm && schedule.taker_ppm == quote.taker_ppm;
  };
  const Account& account = venue.accounts[quote.account];
  const std::uint32_t hash = venue.client_ids.hash(account.number, quote.client_quote_id);
  Refused refused;
  return quote.number > request.number && quote.number <= venue.last_arrival &&
         !venue.rfq_quotes.contains(quote.number) &&
         !has_quote_of(venue, request, quote.account) &&
         request.quotes.size() < QUOTES_OF_REQUEST_MAX &&
         !is_own_request(venue, request, quote.account) &&
         is_session_of(venue, quote.session, quote.account) &&
         !refuses_quoted_sides(request.side, quote.bid_ticks, quote.ask_ticks, refused) &&
         is_price(quote.bid_ticks) && is_price(quote.ask_ticks) && quote.expires_at_ns > 0 &&
         quote.expires_at_ns <= request.expires_at_ns &&
         std::any_of(venue.fee_schedules.begin(), venue.fee_schedules.end(), is_of_rates) &&
         quote.bid_held_atoms == bid_hold(venue, request, quote) &&
         quote.ask_held_atoms == ask_hold(venue, request, quote) &&
         is_client_id(quote.client_quote_id) &&
         venue.client_ids.find(hash, quote.account, quote.client_quote_id) == 0;
}

}  // namespace

void write_negotiations(RecordStream& stream, const Venue& venue) {
  for (const auto& [number, request] : venue.quote_requests) {
    auto& record = stream.add<state::QuoteRequestRecord>();
    record.mark = request.side;
    record.request_id = number;
    record.account = venue.accounts[request.account].number;
    record.session = request.session;
    record.connection = request.connection;
    record.instrument = venue.instruments[request.instrument]->number;
    record.quantity_lots = request.quantity_lots;
    record.expires_at_ns = request.expires_at_ns;
    record.trader = request.trader;
    record.client_request_id = request.client_request_id;
  }
  for (const auto& [number, quote] : venue.rfq_quotes) {
    auto& record = stream.add<state::RfqQuoteRecord>();
    record.quote_id = number;
    record.request_id = quote.request;
    record.account = venue.accounts[quote.account].number;
    record.session = quote.session;
    record.connection = quote.connection;
    record.trader = quote.trader;
    record.bid_price_ticks = quote.bid_ticks;
    record.ask_price_ticks = quote.ask_ticks;
    record.expires_at_ns = quote.expires_at_ns;
    record.bid_held_atoms = quote.bid_held_atoms;
    record.ask_held_atoms = quote.ask_held_atoms;
    record.maker_ppm = quote.maker_ppm;
    record.taker_ppm = quote.taker_ppm;
    record.client_quote_id = quote.client_quote_id;
  }
}

bool SnapshotReader::read(const state::QuoteRequestRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t account = venue.find_account(record.account);
  const Instrument* instrument = venue.find_instrument(record.instrument);
  if (account == NONE || instrument == nullptr) {
    return fail("the snapshot has a request for quote of nobody, or for nothing");
  }
  const QuoteRequest request{
      .number = record.request_id,
      .account = account,
      .session = record.session,
      .connection = record.connection,
      .trader = record.trader,
      .instrument = instrument->index,
      .side = record.mark,
      .quantity_lots = record.quantity_lots,
      .expires_at_ns = record.expires_at_ns,
      .client_request_id = record.client_request_id,
      .quotes = {},
  };
  if (!is_request_in_range(venue, request)) {
    return fail("the snapshot has a request for quote out of range");
  }
  add_request(venue, request);
  return true;
}

bool SnapshotReader::read(const state::RfqQuoteRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t account = venue.find_account(record.account);
  const auto at = venue.quote_requests.find(record.request_id);
  if (account == NONE || at == venue.quote_requests.end()) {
    return fail("the snapshot has a quote of nobody, or for no request");
  }
  const QuoteRequest& request = at->second;
  const RfqQuote quote{
      .number = record.quote_id,
      .request = record.request_id,
      .account = account,
      .session = record.session,
      .connection = record.connection,
      .trader = record.trader,
      .bid_ticks = record.bid_price_ticks,
      .ask_ticks = record.ask_price_ticks,
      .expires_at_ns = record.expires_at_ns,
      .bid_held_atoms = record.bid_held_atoms,
      .ask_held_atoms = record.ask_held_atoms,
      .maker_ppm = record.maker_ppm,
      .taker_ppm = record.taker_ppm,
      .id = {},
      .client_quote_id = record.client_quote_id,
  };
  if (!is_quote_in_range(venue, request, quote)) {
    return fail("the snapshot has a quote out of range");
  }
  const Instrument& instrument = *venue.instruments[request.instrument];
  const std::uint32_t base = venue.balance_index(account, instrument.base_asset);
  std::int64_t buying_atoms = venue.balances[base].buying_atoms;
  if (quote.bid_ticks != 0 &&
      __builtin_add_overflow(buying_atoms, request.quantity_lots * instrument.lot_atoms,
                             &buying_atoms)) {
    return fail("the snapshot has open buys out of range");
  }
  held_[venue.balance_index(account, instrument.quote_asset)] += quote.bid_held_atoms;
  held_[base] += quote.ask_held_atoms;
  add_quote(venue, quote);
  return true;
}

}  // namespace core
