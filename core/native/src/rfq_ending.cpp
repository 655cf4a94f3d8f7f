// Withdrawals and queries of requests for quote and their quotes: taken in every phase and under
// every kill switch, like cancels.
#include <algorithm>
#include <vector>

#include "core/negotiation.hpp"

namespace core {

namespace {

template <class Command>
void refuse(Venue& venue, const Command& command, const Refused& refused, std::uint8_t subject,
            const Text<40>& text) {
  auto& event = venue.events.emit_zeroed<events::RfqRefused>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.refused_kind = command.kind;
  event.code = refused.code;
  event.request_id = command.request_id;
  event.quote_id = command.quote_id;
  event.subject = subject;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.client_id = command.client_id;
  event.client_request_id = text;
}

template <class Command>
void say_answered(Venue& venue, const Command& command, std::size_t requests, std::size_t quotes,
                  std::uint8_t subject, const Text<40>& text) {
  auto& event = venue.events.emit_zeroed<events::RfqAnswered>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.answered_kind = command.kind;
  event.subject = subject;
  event.requests = static_cast<std::uint32_t>(requests);
  event.quotes = static_cast<std::uint32_t>(quotes);
  event.request_id = text;
}

bool is_in(const Venue& venue, const QuoteRequest& request, std::uint32_t instrument) {
  return instrument == 0 || instrument == venue.instruments[request.instrument]->number;
}

// Whether a withdrawal names a request by number, else by its client's id, else all.
bool names_request(const Venue& venue, const commands::WithdrawRfq& command,
                   const QuoteRequest& request) {
  return command.request_id != 0            ? request.number == command.request_id
         : command.client_id != NO_CLIENT_ID ? request.client_request_id == command.client_id
                                             : is_in(venue, request, command.instrument);
}

// Whether it names a quote by number, else by its request, else by its client's id, else all.
bool names_quote(const Venue& venue, const commands::WithdrawRfq& command,
                 const RfqQuote& quote) {
  return command.quote_id != 0     ? quote.number == command.quote_id
         : command.request_id != 0 ? quote.request == command.request_id
         : command.client_id != NO_CLIENT_ID
             ? quote.client_quote_id == command.client_id
             : is_in(venue, venue.quote_requests.at(quote.request), command.instrument);
}

// Whether what a withdrawal names is not there; all there is need not be.
bool refuses_withdrawal(const Venue& venue, const commands::WithdrawRfq& command,
                        std::uint32_t account, Negotiations& found, Refused& refused) {
  const bool has_id = command.client_id != NO_CLIENT_ID;
  if (command.subject == rfq_subject::REQUESTS) {
    for (const auto& [number, request] : venue.quote_requests) {
      if (request.account == account && names_request(venue, command, request)) {
        found.requests.push_back(number);
      }
    }
    const bool is_named = command.request_id != 0 || has_id;
    return is_named && found.requests.empty() && refused.because(code::QUOTE_REQUEST_UNKNOWN);
  }
  if (command.subject == rfq_subject::QUOTES) {
    for (const auto& [number, quote] : venue.rfq_quotes) {
      if (quote.account == account && names_quote(venue, command, quote)) {
        found.quotes.push_back(number);
      }
    }
    const bool is_named = command.quote_id != 0 || command.request_id != 0 || has_id;
    return is_named && found.quotes.empty() && refused.because(code::RFQ_QUOTE_UNKNOWN);
  }
  if (command.subject == rfq_subject::OFFER) {
    const auto at = venue.rfq_quotes.find(command.quote_id);
    if (at == venue.rfq_quotes.end() ||
        venue.quote_requests.at(at->second.request).account != account) {
      return refused.because(code::RFQ_QUOTE_UNKNOWN);
    }
    found.quotes.push_back(command.quote_id);
    return false;
  }
  return refused.because(code::FIELD_INVALID, rfq_subject::OFFER, command.subject);
}

// A request, the quotes for it that an account may see, and whether it is told itself.
struct Visible {
  const QuoteRequest* request;
  std::vector<const RfqQuote*> quotes;
  bool is_told;
};

// Whether an account may see anything of a request. A requester sees all quotes, a maker its own,
// and the requests that it may answer.
bool sees(const Venue& venue, const QuoteRequest& request, std::uint32_t account,
          std::uint32_t rights, Visible& visible) {
  const bool is_own = request.account == account;
  visible = {&request, {}, true};
  for (const std::uint64_t number : request.quotes) {
    const RfqQuote& quote = venue.rfq_quotes.at(number);
    if (is_own || quote.account == account) {
      visible.quotes.push_back(&quote);
    }
  }
  const bool may_answer =
      (rights & RIGHT_QUOTE_REQUESTS) != 0 && !is_own_request(venue, request, account);
  return is_own || may_answer || !visible.quotes.empty();
}

// Leave what a query names: a quote or a request by number, or what has the client's id; say
// whether anything is left.
bool narrow(const commands::QueryRfq& command, std::uint32_t account, Visible& visible) {
  const QuoteRequest& request = *visible.request;
  if (command.quote_id != 0) {
    std::erase_if(visible.quotes, [&](const RfqQuote* quote) {
      return quote->number != command.quote_id;
    });
  } else if (command.request_id != 0) {
    return request.number == command.request_id;
  } else if (command.client_id == NO_CLIENT_ID ||
             (request.account == account && request.client_request_id == command.client_id)) {
    return true;
  } else {
    std::erase_if(visible.quotes, [&](const RfqQuote* quote) {
      return quote->account != account || quote->client_quote_id != command.client_id;
    });
  }
  visible.is_told = false;
  return !visible.quotes.empty();
}

bool refuses_found(const commands::QueryRfq& command, bool is_found, Refused& refused) {
  if (is_found) {
    return false;
  }
  if (command.quote_id != 0) {
    return refused.because(code::RFQ_QUOTE_UNKNOWN);
  }
  return (command.request_id != 0 || command.client_id != NO_CLIENT_ID) &&
         refused.because(code::QUOTE_REQUEST_UNKNOWN);
}

template <class Event>
void fill_origin(Event& event, const commands::QueryRfq& command) noexcept {
  event.origin_account = command.account;
  event.origin_session = command.session;
  event.origin_connection = command.connection;
  event.status_request_id = command.status_request_id;
}

void report(Venue& venue, const commands::QueryRfq& command, const Visible& visible) {
  if (visible.is_told) {
    auto& event = venue.events.emit_zeroed<events::QuoteRequestReported>();
    fill_request(event, venue, *visible.request);
    fill_origin(event, command);
  }
  for (const RfqQuote* quote : visible.quotes) {
    auto& event = venue.events.emit_zeroed<events::RfqQuoteReported>();
    fill_quote(event, venue, *visible.request, *quote);
    fill_origin(event, command);
  }
}

}  // namespace

void withdraw_rfq(Venue& venue, const commands::WithdrawRfq& command) {
  const std::uint32_t account = venue.find_account(command.account);
  Refused refused;
  Session* session = nullptr;
  Negotiations found;
  if (refuses_session(venue, command, account, session, refused) ||
      refuses_withdrawal(venue, command, account, found, refused)) {
    refuse(venue, command, refused, command.subject, command.client_request_id);
    return;
  }
  end_negotiations(venue, found,
                   command.subject == rfq_subject::OFFER ? rfq_end::PASSED : rfq_end::WITHDRAWN);
  say_answered(venue, command, found.requests.size(), found.quotes.size(), command.subject,
               command.client_request_id);
}

void query_rfq(Venue& venue, const commands::QueryRfq& command) {
  const std::uint32_t account = venue.find_account(command.account);
  Refused refused;
  Session* session = nullptr;
  std::vector<Visible> found;
  bool is_refused = refuses_session(venue, command, account, session, refused);
  if (!is_refused) {
    const std::uint32_t rights = session->rights_on(command.account);
    Visible visible{};
    for (const auto& [number, request] : venue.quote_requests) {
      if (sees(venue, request, account, rights, visible) && narrow(command, account, visible)) {
        found.push_back(visible);
      }
    }
    is_refused = refuses_found(command, !found.empty(), refused);
  }
  if (is_refused) {
    refuse(venue, command, refused, 0, command.status_request_id);
    return;
  }
  std::size_t requests = 0;
  std::size_t quotes = 0;
  for (const Visible& visible : found) {
    requests += visible.is_told ? 1 : 0;
    quotes += visible.quotes.size();
    report(venue, command, visible);
  }
  say_answered(venue, command, requests, quotes, 0, command.status_request_id);
}

}  // namespace core
