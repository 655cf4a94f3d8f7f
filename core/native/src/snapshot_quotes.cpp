// A snapshot's quotes and protection groups.
#include <cstring>

#include "core/handlers.hpp"
#include "core/snapshot_reader.hpp"

namespace core {

bool SnapshotReader::read(const state::ProtectionRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t account = venue.find_account(record.account);
  Refused refused;
  if (account == NONE || venue.protections.find(record.account, record.protection_group) != 0 ||
      !venue.asset_numbers.contains(record.base_asset) ||
      (record.quote_asset != 0 && !venue.asset_numbers.contains(record.quote_asset))) {
    return fail("the snapshot has a protection group twice, or of what it does not hold");
  }
  const bool is_frozen = record.mark == 1;
  if (record.protection_group == 0 || refuses_protection_limits(record, refused) ||
      record.trades_max == 0 || record.frozen_until_ns < 0 ||
      (!is_frozen && record.frozen_until_ns != 0) ||
      (is_frozen && (record.frozen_until_ns != 0) != (record.frozen_ns != 0))) {
    return fail("the snapshot has a protection group out of range");
  }
  Protection& protection = venue.protections[add_protection(venue, record, account)];
  protection.is_frozen = is_frozen;
  protection.frozen_until_ns = record.frozen_until_ns;
  if (record.frozen_until_ns != 0) {
    venue.deadlines.insert(
        {record.frozen_until_ns, Deadline::PROTECTION_THAW,
         Protections::number_among_all(record.account, record.protection_group)});
  }
  return true;
}

bool SnapshotReader::read(const state::ProtectionFillRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t index = venue.protections.find(record.account, record.protection_group);
  if (index == 0) {
    return fail("the snapshot has a trade of no protection group");
  }
  Protection& protection = venue.protections[index];
  const std::size_t count = protection.fills.size();
  const std::int64_t before_ns = count == 0 ? 0 : protection.fills.at(count - 1).at_ns;
  if (protection.is_frozen || record.at_ns < before_ns || record.at_ns > venue.last_time_ns ||
      record.base_atoms == 0 || record.base_atoms <= -AMOUNT_LIMIT ||
      record.base_atoms >= AMOUNT_LIMIT || !is_amount(record.notional_atoms)) {
    return fail("the snapshot has a trade of a protection group out of range");
  }
  protection.add({record.at_ns, record.base_atoms, record.notional_atoms});
  return require(protection.reached().which == 0,
                 "the snapshot has a protection group at a limit");
}

bool SnapshotReader::read(const state::QuoteRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t index = venue.order_ids.find(record.order_id);
  if (index == 0 || !venue.orders.hot(index).is_open() || !venue.orders.hot(index).is_quoted() ||
      venue.orders.cold(index).ids.current != 0) {
    return fail("the snapshot has a quote that is none, or a side of one twice");
  }
  const HotOrder& order = venue.orders.hot(index);
  const Instrument& instrument = *venue.instruments[order.instrument];
  const std::uint32_t account_number = venue.accounts[order.account].number;
  const Text<40>& name = unfinished_[index].client_order_id;
  Refused refused;
  if (!is_quote_name(name) ||
      refuses_protection(venue, account_number, record.protection_group, instrument, refused)) {
    return fail("the snapshot has a quote out of range, or in no protection group that may quote");
  }
  const std::size_t size = size_of_text(name);
  const char* const end = name.data() + size;
  const char* entry_id = end;
  while (entry_id[-1] != QUOTE_SEPARATOR) {
    --entry_id;
  }
  QuoteKey key{};
  key.text = QuoteKey::join(entry_id, static_cast<std::size_t>(end - entry_id),
                            instrument.number);
  key.hash = venue.quotes.hash(account_number, key.text);
  if (const std::uint32_t quote = venue.quotes.find(order.account, key);
      quote != 0 && venue.quotes[quote].side(order.side) != 0) {
    return fail("the snapshot has two quotes of a name");
  }
  join_quote(venue, index, key, name);
  venue.orders.quoted(index).protection =
      venue.protections.find(account_number, record.protection_group);
  return true;
}

bool is_quote_name(const Text<40>& name) noexcept {
  std::size_t entry_size = 0;
  std::size_t at = size_of_text(name);
  for (; at != 0 && name[at - 1] != QUOTE_SEPARATOR; --at) {
    ++entry_size;
  }
  // What is before the separator is the quote's id.
  return is_client_id(name) && at >= 2 && entry_size >= 1 && entry_size <= ENTRY_ID_SIZE;
}

}  // namespace core
