// Limits of accounts, assets and instruments: changed by sequenced commands only.
#include "core/handlers.hpp"

namespace core {

void set_account_limits(Venue& venue, const commands::SetAccountLimits& command) {
  const std::uint32_t index = venue.find_account(command.account);
  const Wide burst_ns = Wide{command.message_interval_ns} * command.message_burst;
  Refused refused;
  const bool is_refused =
      index == NONE ? refused.because(code::ACCOUNT_UNKNOWN)
                    : (!is_bound(command.message_interval_ns) || burst_ns >= AMOUNT_LIMIT) &&
                          refused.because(code::LIMITS_INVALID);
  if (is_refused) {
    reject_command(venue, command, refused, command.account);
    return;
  }
  Account& account = venue.accounts[index];
  account.open_orders_max = command.open_orders_max;
  account.message_burst = command.message_burst;
  account.message_interval_ns = command.message_interval_ns;
  account.next_free_ns = 0;
  auto& event = venue.events.emit_zeroed<events::AccountLimitsSet>();
  event.account = command.account;
  event.open_orders_max = command.open_orders_max;
  event.message_burst = command.message_burst;
  event.message_interval_ns = command.message_interval_ns;
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

Wide lent_atoms(Venue& venue, Asset& asset) {
  Wide lent = Wide{asset.credit_lines_atoms} + asset.receivable_atoms;
  std::erase_if(asset.overdrawn, [&](std::uint32_t index) {
    const Balance& balance = venue.balances[index];
    lent += balance.lent_atoms() - balance.credit_line_atoms;
    return balance.used_atoms() <= balance.credit_line_atoms;
  });
  return lent;
}

void set_asset_limits(Venue& venue, const commands::SetAssetLimits& command) {
  const std::uint32_t account = venue.find_account(command.account);
  const std::uint32_t asset_index = venue.asset_numbers.find(command.asset);
  Refused refused;
  if (account == NONE || asset_index == NONE) {
    refused.because(account == NONE ? code::ACCOUNT_UNKNOWN : code::ASSET_UNKNOWN);
    reject_command(venue, command, refused, command.asset);
    return;
  }
  Asset& asset = venue.assets[asset_index];
  const std::uint32_t balance_index = venue.balance_index(account, asset_index);
  Balance& balance = venue.balances[balance_index];
  const std::int64_t used_atoms = balance.used_atoms();
  const Wide lent = lent_atoms(venue, asset) - balance.lent_atoms() +
                    std::max(command.credit_line_atoms, used_atoms);
  const bool is_refused =
      command.credit_line_atoms < 0 || !is_bound(command.position_max_atoms)
          ? refused.because(code::LIMITS_INVALID)
          : lent + asset.supply_max_atoms >= AMOUNT_LIMIT &&
                refused.because(code::CREDIT_LINES_EXCEEDED,
                                AMOUNT_LIMIT - 1 - asset.supply_max_atoms, lent);
  if (is_refused) {
    reject_command(venue, command, refused, command.asset);
    return;
  }
  asset.credit_lines_atoms += command.credit_line_atoms - balance.credit_line_atoms;
  balance.credit_line_atoms = command.credit_line_atoms;
  if (used_atoms > command.credit_line_atoms) {
    asset.overdrawn.insert(balance_index);
  }
  balance.position_max_atoms = command.position_max_atoms;
  auto& event = venue.events.emit_zeroed<events::AssetLimitsSet>();
  event.account = command.account;
  event.asset = command.asset;
  event.credit_line_atoms = command.credit_line_atoms;
  event.position_max_atoms = command.position_max_atoms;
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

bool are_limits_in_order(const InstrumentLimits& limits) noexcept {
  const bool is_in_order =
      1 <= limits.price_ticks_min && limits.price_ticks_min <= limits.price_ticks_max &&
      limits.price_ticks_max < AMOUNT_LIMIT && 1 <= limits.quantity_lots_min &&
      limits.quantity_lots_min <= limits.quantity_lots_max &&
      limits.quantity_lots_max < AMOUNT_LIMIT && is_bound(limits.notional_min_atoms) &&
      is_bound(limits.notional_max_atoms) &&
      (limits.notional_max_atoms == 0 ||
       limits.notional_min_atoms <= limits.notional_max_atoms) &&
      0 <= limits.display_lots_min && limits.display_lots_min <= limits.quantity_lots_max;
  const bool are_prices_valid =
      (limits.reference_ticks == 0 || (limits.price_ticks_min <= limits.reference_ticks &&
                                       limits.reference_ticks <= limits.price_ticks_max)) &&
      std::max({limits.collar_ppm, limits.protection_ppm, limits.band_ppm}) <= PPM;
  const bool are_times_valid =
      is_bound(limits.band_window_ns) && is_bound(limits.halt_ns) &&
      is_bound(limits.auction_ns) &&
      (limits.band_ppm == 0 ||
       (limits.band_window_ns != 0 && limits.halt_ns != 0 && limits.auction_ns != 0));
  return is_in_order && are_prices_valid && are_times_valid;
}

std::int64_t largest_order(std::int64_t price_ceiling, std::int64_t quantity_ceiling,
                           std::int64_t lot_atoms, std::int64_t tick_lot_atoms) noexcept {
  return std::max(saturating_multiply(saturating_multiply(price_ceiling, quantity_ceiling),
                                      tick_lot_atoms),
                  saturating_multiply(quantity_ceiling, lot_atoms));
}

void set_instrument_limits(Venue& venue, const commands::SetInstrumentLimits& command) {
  Refused refused;
  Instrument* found = venue.find_instrument(command.instrument);
  if (found == nullptr) {
    refused.because(code::INSTRUMENT_UNKNOWN);
    reject_command(venue, command, refused, command.instrument);
    return;
  }
  Instrument& instrument = *found;
  InstrumentLimits limits = limits_of(command);
  std::int64_t price_ceiling = limits.price_ticks_max;
  std::int64_t quantity_ceiling = limits.quantity_lots_max;
  if (instrument.open_orders != 0 || instrument.quote_requests != 0) {
    price_ceiling = std::max(price_ceiling, instrument.price_ceiling);
    quantity_ceiling = std::max(quantity_ceiling, instrument.quantity_ceiling);
  }
  bool is_refused = !are_limits_in_order(limits) && refused.because(code::LIMITS_INVALID);
  if (!is_refused) {
    const std::int64_t usage = largest_order(price_ceiling, quantity_ceiling,
                                             instrument.lot_atoms, instrument.tick_lot_atoms);
    is_refused = usage >= AMOUNT_LIMIT &&
                 refused.because(code::LIMITS_INVALID, AMOUNT_LIMIT - 1, usage);
  }
  if (is_refused) {
    reject_command(venue, command, refused, command.instrument);
    return;
  }
  if (command.reference_ticks == 0) {
    limits.reference_ticks = instrument.limits.reference_ticks;
  } else {
    instrument.reference_ticks = command.reference_ticks;
    instrument.band_ticks = instrument.band_next_ticks = command.reference_ticks;
  }
  instrument.limits = limits;
  instrument.price_ceiling = price_ceiling;
  instrument.quantity_ceiling = quantity_ceiling;
  auto& event = venue.events.emit_zeroed<events::InstrumentLimitsSet>();
  fill_limits(event, instrument);
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

}  // namespace core
