// The reading as bytes: what is written by one function is read by the same one.
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/statements/standing.hpp"

namespace core::statements {

namespace {

class Writer {
 public:
  template <class... Fields>
  void operator()(const Fields&... fields) {
    (put(fields), ...);
  }

  // Write how many there are, and each key and value by `write_value`.
  template <class Map, class WriteValue>
  void entries(const Map& map, WriteValue&& write_value) {
    (*this)(static_cast<std::uint64_t>(map.size()));
    for (const auto& [key, value] : map) {
      (*this)(key);
      write_value(*this, value);
    }
  }

  [[nodiscard]] std::vector<std::byte> take() noexcept { return std::move(bytes_); }

 private:
  template <class Field>
  void put(const Field& field) {
    static_assert(std::has_unique_object_representations_v<Field>);
    const auto bytes = std::as_bytes(std::span(&field, 1));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class... Fields>
  void operator()(Fields&... fields) {
    (get(fields), ...);
  }

  template <class Map, class ReadValue>
  void entries(Map& map, ReadValue&& read_value) {
    std::uint64_t count = 0;
    (*this)(count);
    for (std::uint64_t done = 0; done < count && is_sound_; ++done) {
      typename Map::key_type key{};
      (*this)(key);
      read_value(*this, map[key]);
    }
  }

  // Whether all bytes were read, and none was missing.
  [[nodiscard]] bool is_whole() const noexcept { return is_sound_ && bytes_.empty(); }

 private:
  template <class Field>
  void get(Field& field) {
    if (bytes_.size() < sizeof field) {
      is_sound_ = false;
      return;
    }
    std::memcpy(&field, bytes_.data(), sizeof field);
    bytes_ = bytes_.subspan(sizeof field);
  }

  std::span<const std::byte> bytes_;
  bool is_sound_ = true;
};

const auto number_fields = [](auto& archive, auto& value) { archive(value); };
const auto order_fields = [](auto& archive, auto& value) {
  archive(value.order_id, value.price_ticks, value.quantity_lots, value.filled_lots,
          value.filled_value, value.leaves_lots, value.held_atoms, value.hash, value.session,
          value.instrument, value.side, value.time_in_force, value.is_hashed,
          value.client_order_id);
};
const auto traded_fields = [](auto& archive, auto& value) {
  archive(value.executions, value.bought_lots, value.sold_lots, value.bought_value,
          value.sold_value);
};
const auto money_fields = [](auto& archive, auto& value) {
  archive(value.balance_atoms, value.held_atoms);
};
const auto quote_fields = [](auto& archive, auto& value) {
  archive(value.instrument, value.bid_held_atoms, value.ask_held_atoms);
};
const auto account_fields = [](auto& archive, auto& value) {
  archive(value.executions, value.executions_sum);
  archive.entries(value.orders, order_fields);
  archive.entries(value.traded, traded_fields);
  archive.entries(value.money, money_fields);
  archive.entries(value.quotes, quote_fields);
};

}  // namespace

template <class Archive, class Self>
void Standing::archive(Archive& archive, Self& standing) {
  archive.entries(standing.pairs_,
                  [](auto& to, auto& pair) { to(pair.base, pair.quote); });
  archive.entries(standing.firms_of_accounts_, number_fields);
  archive.entries(standing.firms_of_sessions_, number_fields);
  archive.entries(standing.accounts_, account_fields);
}

std::vector<std::byte> Standing::image() const {
  Writer writer;
  archive(writer, *this);
  return writer.take();
}

bool Standing::restore(std::span<const std::byte> image) {
  Standing fresh;
  Reader reader(image);
  archive(reader, fresh);
  if (!reader.is_whole()) {
    return false;
  }
  for (const auto& [number, account] : fresh.accounts_) {
    for (const auto& [id, order] : account.orders) {
      fresh.placing_.insert(order.session);
    }
  }
  *this = std::move(fresh);
  return true;
}

}  // namespace core::statements
