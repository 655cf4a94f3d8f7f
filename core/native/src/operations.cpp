// What operators and time do: phases, kill switches, rules, and everything that falls due.
#include "core/handlers.hpp"
#include "core/matching.hpp"
#include "core/money.hpp"
#include "core/negotiation.hpp"
#include "core/phases.hpp"

namespace core {

namespace {

bool refuses_change(const Venue& venue, const Instrument& instrument,
                    const commands::ChangePhase& command, Refused& refused) {
  const std::uint8_t phase = command.phase;
  const bool has_end = phase == phase::CALL_AUCTION || phase == phase::HALTED;
  if (phase < phase::PRE_OPEN || phase > phase::CLOSED ||
      (phase == instrument.phase && !has_end)) {
    return refused.because(code::PHASE_INVALID, instrument.phase, phase);
  }
  if (command.until_ns != 0 && (!has_end || command.until_ns <= venue.last_time_ns)) {
    return refused.because(code::PHASE_INVALID, venue.last_time_ns, command.until_ns);
  }
  return phase != phase::CLOSED && !instrument.has_limits() &&
         refused.because(code::LIMITS_INVALID);
}

// What carries a kill switch, or nothing and why.
template <class Command>
bool* switch_of(Venue& venue, const Command& command, Refused& refused) {
  const std::uint32_t target = command.target;
  switch (command.scope) {
    case scope::VENUE:
      if (target != 0) {
        refused.because(code::IDENTIFIER_INVALID, 0, target);
        return nullptr;
      }
      return &venue.is_killed;
    case scope::FIRM: {
      const std::uint32_t firm = venue.firm_numbers.find(target);
      refused.because(code::FIRM_UNKNOWN);
      return firm == NONE ? nullptr : &venue.firms[firm].is_killed;
    }
    case scope::ACCOUNT: {
      const std::uint32_t account = venue.find_account(target);
      refused.because(code::ACCOUNT_UNKNOWN);
      return account == NONE ? nullptr : &venue.accounts[account].is_killed;
    }
    case scope::SESSION: {
      Session* session = venue.find_session(target);
      refused.because(code::SESSION_UNKNOWN);
      return session == nullptr ? nullptr : &session->is_killed;
    }
    case scope::INSTRUMENT: {
      Instrument* instrument = venue.find_instrument(target);
      refused.because(code::INSTRUMENT_UNKNOWN);
      return instrument == nullptr ? nullptr : &instrument->is_killed;
    }
    default:
      refused.because(code::SCOPE_INVALID, 0, command.scope);
      return nullptr;
  }
}

std::vector<std::uint32_t> orders_in(const Venue& venue, const commands::Kill& command) {
  const std::uint32_t target = command.target;
  std::vector<std::uint32_t> found;
  for (const Account& account : venue.accounts) {
    const bool is_account_in =
        command.scope == scope::VENUE ||
        (command.scope == scope::FIRM && venue.firms[account.firm].number == target) ||
        (command.scope == scope::ACCOUNT && account.number == target);
    each_open_order(account, [&](std::uint32_t index) {
      const std::uint32_t instrument =
          venue.instruments[venue.orders.hot(index).instrument]->number;
      if (is_account_in ||
          (command.scope == scope::SESSION && venue.orders.cold(index).session == target) ||
          (command.scope == scope::INSTRUMENT && instrument == target)) {
        found.push_back(index);
      }
    });
  }
  return found;
}

// The requests for quote and quotes in the scope.
Negotiations negotiations_in(const Venue& venue, const commands::Kill& command) {
  const std::uint32_t target = command.target;
  return find_negotiations(
      venue, [&](std::uint32_t account, std::uint32_t session, std::uint32_t instrument) {
        const Account& owner = venue.accounts[account];
        return command.scope == scope::VENUE ||
               (command.scope == scope::FIRM && venue.firms[owner.firm].number == target) ||
               (command.scope == scope::ACCOUNT && owner.number == target) ||
               (command.scope == scope::SESSION && session == target) ||
               (command.scope == scope::INSTRUMENT &&
                venue.instruments[instrument]->number == target);
      });
}

void expire_due(Venue& venue, const Deadline& due) {
  const std::uint32_t index = venue.order_ids.find(due.number);
  const bool is_day = venue.orders.hot(index).time_in_force == time_in_force::DAY;
  expire_order(venue, index, is_day ? cancel_reason::DAY_ENDED : cancel_reason::DATE_REACHED);
}

}  // namespace

void change_phase(Venue& venue, const commands::ChangePhase& command) {
  Instrument* instrument = venue.find_instrument(command.instrument);
  Refused refused;
  const bool is_refused = instrument == nullptr
                              ? refused.because(code::INSTRUMENT_UNKNOWN)
                              : refuses_change(venue, *instrument, command, refused);
  if (is_refused) {
    reject_command(venue, command, refused, command.instrument);
    return;
  }
  enter_phase(venue, *instrument,
              {.phase = command.phase,
               .reason = phase_reason::OPERATOR,
               .until_ns = command.until_ns,
               .operator_number = command.operator_,
               .approver_number = command.approver});
}

void kill(Venue& venue, const commands::Kill& command) {
  Refused refused;
  bool* is_killed = switch_of(venue, command, refused);
  if (is_killed == nullptr) {
    reject_command(venue, command, refused, command.target);
    return;
  }
  *is_killed = true;
  std::uint32_t cancelled = 0;
  if (command.cancel_orders != 0) {
    cancelled = cancel_all(venue, orders_in(venue, command), cancel_reason::KILL_SWITCH);
    end_negotiations(venue, negotiations_in(venue, command), rfq_end::KILL_SWITCH);
  }
  auto& event = venue.events.emit_zeroed<events::Killed>();
  event.scope = command.scope;
  event.target = command.target;
  event.cancelled = cancelled;
  event.operator_ = command.operator_;
  event.approver = command.approver;
  event.text = command.text;
}

void resume(Venue& venue, const commands::Resume& command) {
  Refused refused;
  bool* is_killed = switch_of(venue, command, refused);
  if (is_killed != nullptr && command.scope == scope::ACCOUNT) {
    const Account& account = venue.accounts[venue.find_account(command.target)];
    if (const std::uint32_t owed = owed_assets(venue, account); owed != 0) {
      refused.because(code::RECEIVABLE_OUTSTANDING, 0, owed);
      is_killed = nullptr;
    }
  }
  if (is_killed == nullptr) {
    reject_command(venue, command, refused, command.target);
    return;
  }
  *is_killed = false;
  auto& event = venue.events.emit_zeroed<events::Resumed>();
  event.scope = command.scope;
  event.target = command.target;
  event.operator_ = command.operator_;
  event.approver = command.approver;
  event.text = command.text;
}

void activate_rules(Venue& venue, const commands::ActivateRules& command) {
  if (command.rules != RULES) {
    Refused refused;
    refused.because(code::RULES_UNKNOWN, RULES, command.rules);
    reject_command(venue, command, refused, command.rules);
    return;
  }
  venue.rules = command.rules;
  venue.events.emit_zeroed<events::RulesActivated>().rules = command.rules;
}

void advance_time(Venue& venue, const commands::AdvanceTime& command) {
  run_late_stops(venue);
  // What is more than one command may do stays due, for the next AdvanceTime.
  while (venue.steps_left != 0 && !venue.deadlines.empty() &&
         venue.deadlines.first().at_ns <= command.time_ns) {
    const Deadline due = venue.deadlines.first();
    if (due.kind == Deadline::ORDER_EXPIRY) {
      expire_due(venue, due);  // which takes it off the list
      continue;
    }
    venue.deadlines.erase(due);
    if (due.kind == Deadline::PROTECTION_THAW) {
      --venue.steps_left;  // nothing else bounds how many thaw at once
      thaw(venue, due.number);
      continue;
    }
    if (due.kind == Deadline::RFQ_QUOTE_END) {
      end_quote(venue, due.number, rfq_end::EXPIRED);
      continue;
    }
    if (due.kind == Deadline::QUOTE_REQUEST_END) {
      end_request(venue, due.number, rfq_end::EXPIRED);
      continue;
    }
    const auto number = static_cast<std::uint32_t>(due.number);
    if (due.kind == Deadline::SESSION_GRACE) {
      run_out_of_grace(venue, *venue.find_session(number));
      continue;
    }
    Instrument& instrument = *venue.find_instrument(number);
    if (due.kind == Deadline::PHASE_END) {
      end_phase(venue, instrument);
    } else {
      publish_indicative(venue, instrument);
      schedule_indicative(venue, instrument);
    }
  }
}

}  // namespace core
