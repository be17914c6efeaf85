#include "decant/producer/guest_labeller.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <set>
#include <thread>

#include "decant/base/error.h"
#include "decant/data/order.h"
#include "decant/producer/span_groups.h"
#include "decant/store/span_claims.h"
#include "decant/store/store_reader.h"
#include "decant/store/store_writer.h"

#include "span_labels_impl.h"

namespace decant {
namespace {

using Seconds = std::chrono::duration<double>;

// No group of spans has this number.
constexpr uint64_t kCalibration = uint64_t{1} << 48;
constexpr Seconds kCommitPause(1);

uint32_t EpochsPerOrder(const Schema& schema) {
  return schema.order.empty() ? 1 : OrderFromIdentity(schema.order).epochs_per_order;
}

}  // namespace

struct GuestLabeller::Impl {
  Impl(const std::string& a_path, const Schema& a_schema, const GuestOptions& a_options)
      : path(a_path),
        options(a_options),
        schema(a_schema),
        groups(a_schema.layout, EpochsPerOrder(a_schema)),
        claims(a_path, a_options.lease_seconds) {
    Join();
    thread = std::thread([this] { CommitAll(); });
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      ended = true;
    }
    changed.notify_all();
    thread.join();
    try {
      TryCommit();
    } catch (const Error&) {  // the files stay for the next writer
    }
  }

  bool Join();
  void Create(const LabelBatch& labels);
  std::optional<SpanLabels> ClaimCalibration();
  SpanLabels Begin(uint64_t span);
  std::set<uint64_t> Missing();
  bool TakeGroup();
  void CommitAll();
  void TryCommit();

  const std::string path;
  const GuestOptions options;
  Schema schema;
  const SpanGroups groups;
  SpanClaims claims;
  std::unique_ptr<StoreReader> reader;  // none: the store is still to be created
  std::optional<SpanTools> tools;
  std::deque<uint64_t> todo;      // groups, perhaps claimed or labelled by others since
  std::optional<uint64_t> group;  // that this labeller has claimed
  std::deque<uint64_t> spans;     // of it, to be labelled

  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  bool has_finished = false;             // files since the last commit
  std::atomic<bool> has_joined = false;  // schema is the store's
  std::atomic<bool> all_committed = false;
  std::exception_ptr error;
  std::thread thread;
};

// True when the store is there; its schema, with the codec tables, is the one that counts.
bool GuestLabeller::Impl::Join() {
  if (reader) return true;
  try {
    reader = std::make_unique<StoreReader>(path);
  } catch (const Error& missing) {
    if (missing.code() != ErrorCode::kNotFound) throw;
    return false;
  }
  Schema wanted = schema;
  if (!wanted.tables) wanted.tables = reader->schema().tables;
  std::string text;
  for (const SchemaDifference& difference : CompareSchemas(reader->schema(), wanted)) {
    text += fmt::format("; {}: expected {}, found {}", difference.field, difference.expected, difference.found);
  }
  if (!text.empty()) Fail(ErrorCode::kMismatch, "the store {} was begun with another job{}", path, text);
  schema = reader->schema();
  tools.emplace(schema);
  has_joined = true;
  return true;
}

void GuestLabeller::Impl::Create(const LabelBatch& labels) {
  try {
    StoreWriter(path, schema, [&] { return LearnTables(schema.codec, labels, schema.calibration.prior); },
                {.lease_seconds = options.lease_seconds});
  } catch (const Error& busy) {
    if (busy.code() != ErrorCode::kUnavailable) throw;  // `decant produce` was faster
  }
  claims.Release(kCalibration);
}

std::optional<SpanLabels> GuestLabeller::Impl::ClaimCalibration() {
  if (!claims.Claim(kCalibration) || Join()) return std::nullopt;
  if (schema.calibration.num_labels == 0) {
    Create({});
    return std::nullopt;
  }
  tools.emplace(schema);
  return SpanLabels(std::make_unique<SpanLabels::Impl>(*tools, [this](const LabelBatch& labels) { Create(labels); }));
}

// Neither committed nor waiting for it. A file goes from the guests' folder to a writer's, and from there into the
// ledger: who looks in this order misses none.
std::set<uint64_t> GuestLabeller::Impl::Missing() {
  const std::set<uint64_t> finished = FinishedSpans(path);
  reader->Refresh();
  std::set<uint64_t> missing;
  for (uint64_t span = 0; span < schema.layout.num_spans(); ++span) {
    if (!reader->ledger()[span] && !finished.contains(span)) missing.insert(missing.end(), span);
  }
  return missing;
}

// Claims a group that has spans to label.
bool GuestLabeller::Impl::TakeGroup() {
  if (todo.empty()) {
    const std::set<uint64_t> missing = Missing();
    const std::vector<uint64_t> of_spans = groups.GroupsOf({missing.begin(), missing.end()});
    const std::vector<uint64_t> claimed = claims.ClaimedByOthers();
    std::ranges::set_difference(of_spans, claimed, std::back_inserter(todo));
    all_committed = missing.empty();
    if (claims.HasJob()) std::ranges::reverse(todo);
  }
  while (!todo.empty()) {
    const uint64_t next = todo.front();
    todo.pop_front();
    if (!claims.Claim(next)) continue;
    const std::set<uint64_t> missing = Missing();
    for (const uint64_t span : groups.SpansOf(next)) {
      if (missing.contains(span)) spans.push_back(span);
    }
    group = next;
    if (!spans.empty()) return true;
    claims.Release(next);
  }
  return false;
}

SpanLabels GuestLabeller::Impl::Begin(uint64_t index) {
  const SpanFolders folders = {.staging = GuestsPath(path), .scratch = options.scratch};
  const auto commit = [this](const std::function<SpanFile()>& finish) {
    finish();
    if (spans.empty()) claims.Release(*group);
    const std::lock_guard lock(mutex);
    has_finished = true;
    changed.notify_all();
  };
  return SpanLabels(
      std::make_unique<SpanLabels::Impl>(*tools, schema.layout.SpanAt(index), folders, claims.name(), commit));
}

void GuestLabeller::Impl::CommitAll() {
  std::unique_lock lock(mutex);
  while (!ended) {
    changed.wait_for(lock, kCommitPause, [this] { return ended || has_finished; });
    if (ended) return;
    has_finished = false;
    lock.unlock();
    std::exception_ptr thrown;
    try {
      TryCommit();
    } catch (const Error&) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown) error = thrown;
    changed.wait_for(lock, kCommitPause, [this] { return ended; });
  }
}

// Commits what lies there, and seals the store that is then complete. A moment as the writer: others want to, too.
void GuestLabeller::Impl::TryCommit() {
  if (!has_joined || IsSealed(path) || (!all_committed && FinishedSpans(path).empty())) return;
  try {
    StoreWriter writer(path, schema, {}, {.lease_seconds = options.lease_seconds});
    writer.Adopt();
    if (writer.MissingSpans().empty()) writer.Seal();
  } catch (const Error& busy) {
    if (busy.code() != ErrorCode::kUnavailable) throw;
  }
}

GuestLabeller::GuestLabeller(const std::string& path, const Schema& schema, const GuestOptions& options) {
  ValidateSchema(schema);
  impl_ = std::make_unique<Impl>(path, schema, options);
}
GuestLabeller::~GuestLabeller() = default;

const Schema& GuestLabeller::schema() const {
  return impl_->schema;
}

std::optional<SpanLabels> GuestLabeller::Claim() {
  Impl& self = *impl_;
  {
    const std::lock_guard lock(self.mutex);
    if (self.error) std::rethrow_exception(std::exchange(self.error, nullptr));
  }
  if (!self.Join()) return self.ClaimCalibration();
  if (self.spans.empty() && !self.TakeGroup()) return std::nullopt;
  const uint64_t span = self.spans.front();
  self.spans.pop_front();
  return self.Begin(span);
}

bool GuestLabeller::IsComplete() {
  return IsSealed(impl_->path);
}

uint64_t GuestLabeller::num_spans_committed() const {
  return impl_->reader ? impl_->reader->num_committed_spans() : 0;
}

}  // namespace decant
