// Sessions: their rights, and the fence around the connection that speaks for them.
#include "core/negotiation.hpp"

namespace core {

namespace {

bool refuses_grant(Venue& venue, const commands::GrantSession& command, Refused& refused) {
  const std::uint32_t account = venue.find_account(command.account);
  if (account == NONE) {
    return refused.because(code::ACCOUNT_UNKNOWN);
  }
  if (command.session == 0) {
    return refused.because(code::IDENTIFIER_INVALID);
  }
  if (!venue.firm_numbers.contains(command.firm)) {
    return refused.because(code::FIRM_UNKNOWN);
  }
  // A session acts for the accounts of one firm, its own, for ever.
  const std::uint32_t account_firm = venue.firms[venue.accounts[account].firm].number;
  if (account_firm != command.firm) {
    return refused.because(code::IDENTIFIER_INVALID, account_firm, command.firm);
  }
  const Session* session = venue.find_session(command.session);
  if (session != nullptr && venue.firms[session->firm].number != command.firm) {
    return refused.because(code::IDENTIFIER_INVALID, venue.firms[session->firm].number,
                           command.firm);
  }
  if (!is_name(command.name) || (session != nullptr && session->name != command.name)) {
    return refused.because(code::IDENTIFIER_INVALID);
  }
  if (session == nullptr && venue.is_name_taken(NameOf::SESSION, command.name)) {
    return refused.because(code::ALREADY_EXISTS);
  }
  if (command.rights > RIGHTS_KNOWN || command.cancel_on_disconnect > on_disconnect::ACCOUNT ||
      command.disconnect_grace_ns < 0 || command.disconnect_grace_ns >= AMOUNT_LIMIT) {
    return refused.because(code::FIELD_INVALID);
  }
  const std::uint32_t limit = venue.configuration->sessions_max;
  return session == nullptr && venue.sessions.size() >= limit &&
         refused.because(code::CAPACITY_EXCEEDED, limit,
                         static_cast<Wide>(venue.sessions.size()) + 1);
}

// End what a lost connection asked and quoted, by the same rule as its orders.
void end_for_disconnect(Venue& venue, const Session& session) {
  const bool is_whole_account = session.mode() == on_disconnect::ACCOUNT;
  const auto goes = [&](std::uint32_t account, std::uint32_t asker, std::uint32_t) {
    const Account& owner = venue.accounts[account];
    return is_whole_account ? session.rights_on(owner.number) != 0
                            : asker == session.number && owner.firm == session.firm;
  };
  end_negotiations(venue, find_negotiations(venue, goes), rfq_end::DISCONNECT);
}

std::uint32_t cancel_for_disconnect(Venue& venue, const Session& session) {
  std::vector<std::uint32_t> found;
  const std::uint32_t mode = session.mode();
  const auto choose = [&](const Account& account) {
    each_open_order(account, [&](std::uint32_t index) {
      if (mode == on_disconnect::ACCOUNT || venue.orders.cold(index).session == session.number) {
        found.push_back(index);
      }
    });
  };
  if (mode == on_disconnect::SESSION) {
    for (const Account& account : venue.accounts) {
      if (account.firm == session.firm) {
        choose(account);
      }
    }
  } else {
    for (const Right& right : session.rights) {
      choose(venue.accounts[venue.find_account(right.account)]);
    }
  }
  const std::uint32_t cancelled =
      cancel_all(venue, std::move(found), cancel_reason::DISCONNECT);
  end_for_disconnect(venue, session);
  return cancelled;
}

void say_fenced(Venue& venue, const Session& session, std::uint32_t cancelled) {
  const std::uint32_t source = session.principal << SOURCE_BITS | session.number;
  auto& event = venue.events.emit_zeroed<events::SessionFenced>();
  event.session = session.number;
  event.connection = session.last_connection;
  event.cancel_on_disconnect = static_cast<std::uint8_t>(session.mode());
  event.cancelled = cancelled;
  event.grace_until_ns = session.grace_until_ns;
  if (const std::uint32_t index = venue.source_numbers.find(source); index != NONE) {
    event.epoch = venue.sources[index].epoch;
    event.last_source_sequence = venue.sources[index].sequence;
  }
}

void close(Venue& venue, Session& session, bool is_graceful) {
  const std::uint32_t connection = session.connection;
  session.connection = 0;
  std::uint32_t cancelled = 0;
  if (session.mode() != on_disconnect::NONE) {
    if (session.grace_ns() != 0) {
      session.grace_until_ns = saturating_add(venue.last_time_ns, session.grace_ns());
      venue.deadlines.insert(
          {session.grace_until_ns, Deadline::SESSION_GRACE, session.number});
    } else {
      cancelled = cancel_for_disconnect(venue, session);
    }
  }
  auto& event = venue.events.emit_zeroed<events::SessionClosed>();
  event.session = session.number;
  event.connection = connection;
  event.graceful = is_graceful ? 1 : 0;
  event.cancelled = cancelled;
  say_fenced(venue, session, cancelled);
}

template <class Command>
bool refuses_opening(Venue& venue, const Command& command, Refused& refused) {
  const Session* session = venue.find_session(command.session);
  if (session == nullptr) {
    return refused.because(code::SESSION_UNKNOWN);
  }
  return command.connection <= session->last_connection &&
         refused.because(code::IDENTIFIER_INVALID, Wide{session->last_connection} + 1,
                         command.connection);
}

// Let a new connection speak for a session; an older one is closed first.
template <class Command>
Session& open(Venue& venue, const Command& command) {
  Session& session = *venue.find_session(command.session);
  if (session.connection != 0) {
    close(venue, session, false);
  }
  if (session.grace_until_ns != 0) {
    venue.deadlines.erase({session.grace_until_ns, Deadline::SESSION_GRACE, session.number});
    session.grace_until_ns = 0;
  }
  session.connection = session.last_connection = command.connection;
  session.principal = command.source >> SOURCE_BITS;
  auto& event = venue.events.emit_zeroed<events::SessionOpened>();
  event.session = session.number;
  event.connection = session.connection;
  return session;
}

}  // namespace

void set_rights(Session& session, std::uint32_t account, std::uint32_t rights) {
  auto& known = session.rights;
  const auto at = std::lower_bound(
      known.begin(), known.end(), account,
      [](const Right& each, std::uint32_t wanted) { return each.account < wanted; });
  const bool is_known = at != known.end() && at->account == account;
  if (rights == 0) {
    if (is_known) {
      known.erase(at);
    }
  } else if (is_known) {
    at->rights = rights;
  } else {
    known.insert(at, {account, rights});
  }
}

void grant_session(Venue& venue, const commands::GrantSession& command) {
  Refused refused;
  if (refuses_grant(venue, command, refused)) {
    reject_command(venue, command, refused, command.session);
    return;
  }
  Session* session = venue.find_session(command.session);
  if (session == nullptr) {
    venue.session_numbers.set(command.session,
                              static_cast<std::uint32_t>(venue.sessions.size()));
    session = &venue.sessions.emplace_back();
    session->number = command.session;
    session->firm = venue.firm_numbers.find(command.firm);
    session->name = command.name;
    venue.take_name(NameOf::SESSION, command.name);
  }
  session->cancel_on_disconnect = command.cancel_on_disconnect;
  session->disconnect_grace_ns = command.disconnect_grace_ns;
  set_rights(*session, command.account, command.rights);
  auto& event = venue.events.emit_zeroed<events::SessionGranted>();
  fill_grant(event, venue, *session, command.account, command.rights);
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

void open_session(Venue& venue, const commands::OpenSession& command) {
  Refused refused;
  if (refuses_opening(venue, command, refused)) {
    reject_command(venue, command, refused, command.session);
    return;
  }
  Session& session = open(venue, command);
  session.has_chosen = false;
  session.chosen_cancel_on_disconnect = 0;
  session.chosen_grace_ns = 0;
}

void open_session_on_terms(Venue& venue, const commands::OpenSessionOnTerms& command) {
  Refused refused;
  const bool is_out_of_range = command.cancel_on_disconnect > on_disconnect::ACCOUNT ||
                               command.disconnect_grace_ns < 0 ||
                               command.disconnect_grace_ns >= AMOUNT_LIMIT;
  if (refuses_opening(venue, command, refused) ||
      (is_out_of_range && refused.because(code::FIELD_INVALID))) {
    reject_command(venue, command, refused, command.session);
    return;
  }
  Session& session = open(venue, command);
  session.has_chosen = true;
  session.chosen_cancel_on_disconnect = command.cancel_on_disconnect;
  session.chosen_grace_ns = command.disconnect_grace_ns;
}

void run_out_of_grace(Venue& venue, Session& session) {
  session.grace_until_ns = 0;
  say_fenced(venue, session, cancel_for_disconnect(venue, session));
}

void close_session(Venue& venue, const commands::CloseSession& command) {
  Session* session = venue.find_session(command.session);
  Refused refused;
  const bool is_refused =
      session == nullptr ? refused.because(code::SESSION_UNKNOWN)
                         : (session->connection == 0 ||
                            command.connection != session->connection) &&
                               refused.because(code::SESSION_CLOSED, session->connection,
                                               command.connection);
  if (is_refused) {
    reject_command(venue, command, refused, command.session);
    return;
  }
  close(venue, *session, command.graceful != 0);
}

void lose_link(Venue& venue, const commands::LinkLost& command) {
  for (const std::uint32_t index : by_number(venue.sessions)) {
    Session& session = venue.sessions[index];
    if (session.connection != 0 && session.principal == command.principal) {
      close(venue, session, false);
    }
  }
}

}  // namespace core
