// The journal and the event log in Python: ``runtime.log_files`` and ``runtime.log_writer``.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <typeinfo>
#include <utility>

#include "bindings.hpp"
#include "core/journal/log_writer.hpp"
#include "core/journal/segmented_log.hpp"

namespace bindings {

namespace journal = core::journal;

namespace {

// What Python raised last where C++ called it, kept until somebody can be told.
class Raised {
 public:
  Raised() = default;
  Raised(const Raised&) = delete;
  Raised& operator=(const Raised&) = delete;
  ~Raised() {
    const nb::gil_scoped_acquire gil;
    error_.reset();
  }

  // Do something in Python; returns as a Storage's calls do. Whatever is thrown ends here: above
  // is a thread that knows no exceptions.
  template <class Call>
  int try_call(Call call) noexcept {
    const nb::gil_scoped_acquire gil;
    try {
      return call_and_keep(call);
    } catch (...) {  // not even the reason can be kept
      forget();
      return journal::FOREIGN;
    }
  }

  // The reason of an error with this number, if it was Python's; what else is kept was the reason
  // of one that nobody waited for.
  [[nodiscard]] nb::object take(int number) {
    nb::object kept = std::exchange(error_, nb::object());
    return number_ == number ? kept : nb::object();
  }
  void forget() noexcept { error_.reset(); }

 private:
  template <class Call>
  int call_and_keep(Call call) {
    try {
      call();
      return 0;
    } catch (nb::python_error& error) {
      return keep(nb::borrow(error.value()));
    } catch (const std::bad_cast&) {
      return keep(nb::handle(PyExc_TypeError)("a log called Python and got what it cannot use"));
    }
  }
  int keep(nb::object error) {
    error_ = std::move(error);
    const nb::object number = nb::getattr(error_, "errno", nb::none());
    int found = 0;
    const bool is_number = nb::isinstance<nb::int_>(number) && nb::try_cast(number, found);
    return number_ = is_number && found > 0 ? found : journal::FOREIGN;
  }

  nb::object error_;
  int number_ = 0;
};

using SharedRaised = std::shared_ptr<Raised>;

// An object of Python's that threads without the GIL hold.
class Held {
 public:
  explicit Held(nb::object object) : object_(std::move(object)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    const nb::gil_scoped_acquire gil;
    object_.reset();
  }
  [[nodiscard]] const nb::object& operator*() const { return object_; }

 private:
  nb::object object_;
};

class PythonFile final : public journal::File {
 public:
  PythonFile(nb::object file, SharedRaised raised)
      : file_(std::move(file)), raised_(std::move(raised)) {}
  ~PythonFile() override {
    const nb::gil_scoped_acquire gil;
    try {
      (*file_).attr("close")();
    } catch (nb::python_error& error) {
      error.discard_as_unraisable("closing a file of a log");
    }
  }

  int read(std::span<std::byte> data, std::uint64_t offset) override {
    bool is_whole = false;
    const int error = raised_->try_call([&] {
      const auto got = nb::cast<nb::bytes>((*file_).attr("read")(data.size(), offset));
      is_whole = got.size() == data.size();
      std::memcpy(data.data(), got.c_str(), std::min(got.size(), data.size()));
      raised_->forget();  // what is short was not raised
    });
    return error == 0 && !is_whole ? EIO : error;
  }
  int write(journal::Bytes data, std::uint64_t offset) override {
    return raised_->try_call([&] { (*file_).attr("write")(to_bytes(data), offset); });
  }
  int size(std::uint64_t& bytes) override {
    return raised_->try_call(
        [&] { bytes = nb::cast<std::uint64_t>((*file_).attr("size")()); });
  }
  int truncate(std::uint64_t bytes) override {
    return raised_->try_call([&] { (*file_).attr("truncate")(bytes); });
  }
  int sync() override {
    return raised_->try_call([&] { (*file_).attr("sync")(); });
  }

 private:
  Held file_;
  SharedRaised raised_;
};

// A runtime.storage.Storage: what tests simulate.
class PythonStorage final : public journal::Storage {
 public:
  PythonStorage(nb::object storage, SharedRaised raised)
      : storage_(std::move(storage)), raised_(std::move(raised)) {}

  int names(std::vector<std::string>& found) override {
    return raised_->try_call([&] {
      for (const nb::handle name : (*storage_).attr("names")()) {
        found.push_back(nb::cast<std::string>(name));
      }
    });
  }
  int open(const std::string& name, bool create, std::unique_ptr<journal::File>& file) override {
    return raised_->try_call([&] {
      nb::object opened = (*storage_).attr("open")(name, nb::arg("create") = create);
      file = std::make_unique<PythonFile>(std::move(opened), raised_);
    });
  }
  int rename(const std::string& from, const std::string& to) override {
    return raised_->try_call([&] { (*storage_).attr("rename")(from, to); });
  }
  int remove(const std::string& name) override {
    return raised_->try_call([&] { (*storage_).attr("remove")(name); });
  }
  int sync_names() override {
    return raised_->try_call([&] { (*storage_).attr("sync_names")(); });
  }
  std::string describe(const std::string& name) override {
    std::string described = name;
    Raised ignored;  // it is asked for to tell of another error, which is the one that counts
    static_cast<void>(ignored.try_call([&] {
      described = nb::cast<std::string>((*storage_).attr("describe")(name));
    }));
    return described;
  }

 private:
  Held storage_;
  SharedRaised raised_;
};

PyObject* no_room_error = nullptr;  // the class, made with the module and kept for ever

// The exception that says what failed: Python's own, where it was Python that failed.
nb::object to_exception(const journal::Fault& fault, Raised& raised) {
  nb::object own = raised.take(fault.error_number);
  if (fault.is_full) {
    return nb::handle(no_room_error)(fault.what);
  }
  if (own.is_valid()) {
    return own;
  }
  const nb::handle os_error(PyExc_OSError);
  return os_error(fault.error_number, std::strerror(fault.error_number), fault.what);
}

void require(const journal::Fault& fault, Raised& raised) {
  if (fault) {
    const nb::object exception = to_exception(fault, raised);
    PyErr_SetObject(exception.type().ptr(), exception.ptr());
    throw nb::python_error();
  }
}

journal::CrashPoint to_crash_point(const nb::object& call, const SharedRaised& raised) {
  if (call.is_none()) {
    return {};
  }
  return [held = std::make_shared<Held>(call), raised](const char* name) {
    return raised->try_call([&] { (**held)(name); });
  };
}

journal::ClockNs to_clock(const nb::object& call, const SharedRaised& raised) {
  if (call.is_none()) {
    return {};
  }
  return [held = std::make_shared<Held>(call), raised](std::int64_t& now_ns) {
    return raised->try_call([&] { now_ns = nb::cast<std::int64_t>((**held)()); });
  };
}

// A log and what Python raised under it.
class Log {
 public:
  Log(const nb::object& storage, std::uint16_t stream, const nb::bytes& venue,
      std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, bool> end,
      std::uint64_t segment_bytes, const nb::object& clock_ns, const nb::object& crash_point,
      std::uint64_t mark_bytes)
      : raised(std::make_shared<Raised>()) {
    journal::LogOptions options;
    if (venue.size() != options.venue.size()) {
      throw nb::value_error("a venue has 16 bytes");
    }
    std::memcpy(options.venue.data(), venue.c_str(), venue.size());
    options.stream = static_cast<journal::Stream>(stream);
    options.segment_bytes = segment_bytes;
    options.clock_ns = to_clock(clock_ns, raised);
    options.crash_point = to_crash_point(crash_point, raised);
    options.mark_bytes = mark_bytes;
    std::unique_ptr<journal::Storage> adapted;
    if (std::string folder; nb::try_cast(storage, folder)) {
      adapted = std::make_unique<journal::PosixStorage>(std::move(folder));
    } else {
      adapted = std::make_unique<PythonStorage>(storage, raised);
    }
    const auto [segment, offset, last, is_torn] = end;
    const journal::LogEnd found{segment, offset, last, is_torn};
    log = std::make_shared<journal::SegmentedLog>(std::move(adapted), std::move(options), found);
    call([](journal::SegmentedLog& segmented) { return segmented.take_over(); });
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  // Files and storage are let go without the GIL: a thread of ours may hold a lock and want it.
  ~Log() {
    const nb::gil_scoped_release release;
    log.reset();
  }

  template <class Call>
  void call(Call work) {
    journal::Fault fault;
    {
      const nb::gil_scoped_release release;
      fault = work(*log);
    }
    require(fault, *raised);
  }

  SharedRaised raised;
  std::shared_ptr<journal::SegmentedLog> log;
};

void append(Log& log, const nb::sequence& entries) {
  journal::Group group;
  std::uint64_t last = log.log->last();
  for (const nb::handle item : entries) {
    const auto [kind, first, through, time_ns, payload] =
        nb::cast<std::tuple<std::uint8_t, std::uint64_t, std::uint64_t, std::int64_t, nb::object>>(
            item);
    const Buffer bytes(payload, PyBUF_SIMPLE);
    const journal::Entry entry{static_cast<journal::FrameKind>(kind), first, through, time_ns,
                               bytes.bytes()};
    if (const char* reason = journal::why_refused(entry, last)) {
      throw nb::value_error(reason);
    }
    group.add(entry, /*may_join=*/false);
    last = through;
  }
  log.call([&](journal::SegmentedLog& segmented) {
    journal::Fault fault = segmented.append(group, 0, group.frames().size());
    segmented.settle();
    return fault;
  });
}

nb::list to_list(const std::vector<journal::Mark>& marks) {
  nb::list list;
  for (const journal::Mark& mark : marks) {
    list.append(nb::make_tuple(mark.segment, mark.first, mark.offset));
  }
  return list;
}

class LogWriter {
 public:
  LogWriter(const Log& log, std::string name, bool syncs_each_group, double sync_seconds,
            std::size_t queued_bytes_max, const nb::object& crash_point)
      : raised_(log.raised) {
    journal::WriterOptions options;
    options.name = std::move(name);
    options.syncs_each_group = syncs_each_group;
    options.sync_interval = std::chrono::nanoseconds(static_cast<std::int64_t>(sync_seconds * 1e9));
    options.queued_bytes_max = queued_bytes_max;
    options.crash_point = to_crash_point(crash_point, raised_);
    writer_ = std::make_unique<journal::LogWriter>(log.log, std::move(options));
  }
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  ~LogWriter() {
    const nb::gil_scoped_release release;
    writer_.reset();
  }

  void start() { require(writer_->start(), *raised_); }
  void stop() { writer_->stop(); }
  [[nodiscard]] int descriptor() const { return writer_->descriptor(); }
  bool finish() {
    const nb::gil_scoped_release release;
    return writer_->finish();
  }
  [[nodiscard]] bool is_full() const { return writer_->is_full(); }

  // The GIL is kept: what the lock inside protects takes no longer than copying the payload.
  [[nodiscard]] bool submit(std::uint8_t kind, std::uint64_t first, std::uint64_t last,
                            std::int64_t time_ns, nb::handle payload) {
    const Buffer bytes(payload, PyBUF_SIMPLE);
    const journal::Entry entry{static_cast<journal::FrameKind>(kind), first, last, time_ns,
                               bytes.bytes()};
    const journal::Submitted submitted = writer_->submit(entry);
    if (submitted == journal::Submitted::REFUSED) {
      throw nb::value_error("the entry does not follow the last one, or cannot be a frame");
    }
    if (submitted == journal::Submitted::ENDED) {
      throw nb::value_error("the writer was told to stop");
    }
    return submitted == journal::Submitted::QUEUED;
  }

  [[nodiscard]] nb::tuple take() {
    const journal::Progress progress = writer_->take();
    nb::list sync_seconds;
    for (const std::int64_t took_ns : progress.sync_ns) {
      sync_seconds.append(static_cast<double>(took_ns) / 1e9);
    }
    const nb::object fault =
        progress.fault ? to_exception(progress.fault, *raised_) : nb::object(nb::none());
    const nb::object full =
        progress.is_full ? nb::object(nb::cast(progress.full_reason)) : nb::object(nb::none());
    return nb::make_tuple(progress.last, progress.is_done, full, fault, sync_seconds,
                          to_list(progress.marks));
  }

 private:
  SharedRaised raised_;
  std::unique_ptr<journal::LogWriter> writer_;
};

}  // namespace

void bind_journal(nb::module_& module) {
  no_room_error = PyErr_NewException("core._native.NoRoomError", PyExc_Exception, nullptr);
  module.attr("NoRoomError") = nb::handle(no_room_error);
  const auto simply = [](journal::Fault (journal::SegmentedLog::*method)()) {
    return [method](Log& log) {
      log.call([method](journal::SegmentedLog& segmented) { return (segmented.*method)(); });
    };
  };
  nb::class_<Log>(module, "Log")
      .def(nb::init<const nb::object&, std::uint16_t, const nb::bytes&,
                    std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, bool>, std::uint64_t,
                    const nb::object&, const nb::object&, std::uint64_t>(),
           nb::kw_only(), nb::arg("storage"), nb::arg("stream"), nb::arg("venue"), nb::arg("end"),
           nb::arg("segment_bytes"), nb::arg("clock_ns").none(), nb::arg("crash_point").none(),
           nb::arg("mark_bytes"))
      .def("append", &append, nb::arg("entries"))
      .def("sync", simply(&journal::SegmentedLog::sync))
      .def("prepare_spare", simply(&journal::SegmentedLog::prepare_spare))
      .def("close", simply(&journal::SegmentedLog::close))
      .def("abandon",
           [](Log& log) {
             log.call([](journal::SegmentedLog& segmented) {
               segmented.abandon();
               return journal::Fault{};
             });
           })
      .def("take_marks", [](Log& log) { return to_list(log.log->take_marks()); })
      .def_prop_ro("last", [](const Log& log) { return log.log->last(); })
      .def_prop_ro("synced", [](const Log& log) { return log.log->synced(); })
      .def_prop_ro("room", [](const Log& log) { return log.log->room(); })
      .def_prop_ro("has_spare", [](const Log& log) { return log.log->has_spare(); });
  nb::class_<LogWriter>(module, "LogWriter")
      .def(nb::init<const Log&, std::string, bool, double, std::size_t, const nb::object&>(),
           nb::arg("log"), nb::kw_only(), nb::arg("name"), nb::arg("syncs_each_group"),
           nb::arg("sync_seconds"), nb::arg("queued_bytes_max"), nb::arg("crash_point").none())
      .def("start", &LogWriter::start)
      .def("stop", &LogWriter::stop)
      .def("finish", &LogWriter::finish)
      .def("fileno", &LogWriter::descriptor)
      .def("submit", &LogWriter::submit, nb::arg("kind"), nb::arg("first"), nb::arg("last"),
           nb::arg("time_ns"), nb::arg("payload"))
      .def("take", &LogWriter::take)
      .def_prop_ro("is_full", &LogWriter::is_full);
}

}  // namespace bindings
