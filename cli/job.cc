#include "job.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <variant>

#include <toml++/toml.h>

#include "decant/base/error.h"
#include "decant/base/file.h"

namespace decant {
namespace {

// A key of the job file and the variable behind it.
struct Path {
  std::string* value;
};
struct Paths {
  std::vector<std::string>* value;
};
struct Key {
  std::string name;
  std::variant<std::string*, Path, Paths, bool*, double*, uint32_t*, uint64_t*, std::vector<double>*,
               std::vector<uint32_t>*, std::array<uint32_t, 2>*, std::array<uint32_t, 3>*>
      target;
};

std::vector<Key> KeysOf(Job* job) {
  return {
      {"data.path", Path{&job->data.path}},
      {"data.kind", &job->data.kind},
      {"data.split", &job->data.split},
      {"data.test_split", &job->data.test_split},
      {"data.labels", Path{&job->data.labels}},
      {"data.documents", Path{&job->data.documents}},
      {"data.index", Path{&job->data.index}},
      {"data.fingerprint", &job->data.fingerprint},
      {"data.undecodable", &job->data.undecodable},
      {"data.channels", &job->data.channels},
      {"data.min_side", &job->data.min_side},
      {"data.dtype", &job->data.dtype},
      {"data.window", &job->data.window},
      {"views.order", &job->views.order},
      {"views.seed", &job->views.seed},
      {"views.epochs_per_order", &job->views.epochs_per_order},
      {"views.size", &job->views.size},
      {"views.crop", &job->views.crop},
      {"views.crop_share", &job->views.crop_share},
      {"views.scale_min", &job->views.scale_min},
      {"views.scale_max", &job->views.scale_max},
      {"views.ratio_min", &job->views.ratio_min},
      {"views.ratio_max", &job->views.ratio_max},
      {"views.interpolation", &job->views.interpolation},
      {"views.flip", &job->views.flip},
      {"views.shift", &job->views.shift},
      {"views.rotate", &job->views.rotate},
      {"views.shear", &job->views.shear},
      {"views.zoom", &job->views.zoom},
      {"views.rand_augment_ops", &job->views.rand_augment_ops},
      {"views.rand_augment_magnitude", &job->views.rand_augment_magnitude},
      {"views.jitter_brightness", &job->views.jitter_brightness},
      {"views.jitter_contrast", &job->views.jitter_contrast},
      {"views.jitter_saturation", &job->views.jitter_saturation},
      {"views.jitter_hue", &job->views.jitter_hue},
      {"views.grey", &job->views.grey},
      {"views.blur", &job->views.blur},
      {"views.blur_sigma_min", &job->views.blur_sigma_min},
      {"views.blur_sigma_max", &job->views.blur_sigma_max},
      {"views.erase", &job->views.erase},
      {"views.erase_scale_min", &job->views.erase_scale_min},
      {"views.erase_scale_max", &job->views.erase_scale_max},
      {"views.erase_ratio_min", &job->views.erase_ratio_min},
      {"views.erase_ratio_max", &job->views.erase_ratio_max},
      {"views.brightness", &job->views.brightness},
      {"views.mixup", &job->views.mixup},
      {"views.mixup_alpha", &job->views.mixup_alpha},
      {"views.cutmix", &job->views.cutmix},
      {"views.cutmix_alpha", &job->views.cutmix_alpha},
      {"views.fill", &job->views.fill},
      {"views.from", Path{&job->views.from}},
      {"views.mask", &job->views.tokens.mask},
      {"views.mask_random", &job->views.tokens.mask_random},
      {"views.mask_keep", &job->views.tokens.mask_keep},
      {"views.mask_token", &job->views.tokens.mask_token},
      {"views.vocabulary", &job->views.tokens.vocabulary},
      {"views.special_tokens", &job->views.tokens.special_tokens},
      {"teacher.path", Paths{&job->teacher.path}},
      {"teacher.weights", &job->teacher.weights},
      {"teacher.output", &job->teacher.output},
      {"teacher.precision", &job->teacher.precision},
      {"teacher.device", &job->teacher.device},
      {"teacher.image_size", &job->teacher.image_size},
      {"teacher.min_accuracy", &job->teacher.min_accuracy},
      {"teacher.any_processor", &job->teacher.any_processor},
      {"teacher.class_names", Path{&job->teacher.class_names}},
      {"teacher.tokenizer", Path{&job->teacher.tokenizer}},
      {"teacher.mean", &job->teacher.mean},
      {"teacher.std", &job->teacher.std},
      {"teacher.batch_size", &job->teacher.batch_size},
      {"teacher.threads", &job->teacher.threads},
      {"labels.store", Path{&job->labels.store}},
      {"labels.epochs", &job->labels.epochs},
      {"labels.k", &job->labels.k},
      {"labels.selection", &job->labels.selection},
      {"labels.p", &job->labels.p},
      {"labels.temperatures", &job->labels.temperatures},
      {"labels.true_label", &job->labels.true_label},
      {"labels.view_fingerprints", &job->labels.view_fingerprints},
      {"labels.values", &job->labels.values},
      {"labels.delta", &job->labels.delta},
      {"labels.max_delta", &job->labels.max_delta},
      {"labels.prior", &job->labels.prior},
      {"labels.calibration_labels", &job->labels.calibration_labels},
      {"labels.chunk_size", &job->labels.chunk_size},
      {"labels.span_chunks", &job->labels.span_chunks},
      {"produce.decode_threads", &job->produce.decode_threads},
      {"produce.replicas", &job->produce.replicas},
      {"produce.queue_depth", &job->produce.queue_depth},
      {"produce.check_space", &job->produce.check_space},
      {"student.module", Path{&job->student.module}},
      {"student.architecture", &job->student.architecture},
      {"student.features", &job->student.features},
      {"student.depth", &job->student.depth},
      {"student.heads", &job->student.heads},
      {"student.patch_size", &job->student.patch_size},
      {"student.image_size", &job->student.image_size},
      {"student.mean", &job->student.mean},
      {"student.std", &job->student.std},
      {"train.labels", &job->train.labels},
      {"train.teachers", Paths{&job->train.teachers}},
      {"train.temperature", &job->train.temperature},
      {"train.wait_seconds", &job->train.wait_seconds},
      {"train.epochs", &job->train.num_epochs},
      {"train.batch_size", &job->train.batch_size},
      {"train.micro_batch", &job->train.micro_batch},
      {"train.learning_rate", &job->train.learning_rate},
      {"train.weight_decay", &job->train.weight_decay},
      {"train.warmup_epochs", &job->train.warmup_epochs},
      {"train.clip_norm", &job->train.clip_norm},
      {"train.alpha", &job->train.alpha},
      {"train.tail", &job->train.tail},
      {"train.label_smoothing", &job->train.label_smoothing},
      {"train.hard_distillation", &job->train.hard_distillation},
      {"train.evaluate_every", &job->train.evaluate_every},
      {"train.save_steps", &job->train.save_steps},
      {"train.seed", &job->train.seed},
      {"train.threads", &job->train.threads},
      {"train.checkpoint", Path{&job->train.checkpoint}},
      {"train.metrics", Path{&job->train.metrics}},
  };
}

// Levenshtein distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitution = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row[b.size()];
}

const Key& FindKey(const std::vector<Key>& keys, const std::string& name, const std::string& where) {
  const Key* nearest = &keys.front();
  for (const Key& key : keys) {
    if (key.name == name) return key;
    if (EditDistance(key.name, name) < EditDistance(nearest->name, name)) nearest = &key;
  }
  Fail(ErrorCode::kInvalidArgument, "{}: unknown key '{}'; did you mean '{}'?", where, name, nearest->name);
}

[[noreturn]] void FailType(const std::string& where, const Key& key, const char* expected) {
  Fail(ErrorCode::kInvalidArgument, "{}: {}: expected {}", where, key.name, expected);
}

template <typename Int>
Int ToInteger(const toml::node& node, const std::string& where, const Key& key) {
  const auto value = node.value_exact<int64_t>();
  if (!value || *value < 0 || static_cast<uint64_t>(*value) > std::numeric_limits<Int>::max()) {
    FailType(where, key, "a whole number, 0 or more");
  }
  return static_cast<Int>(*value);
}

double ToNumber(const toml::node& node, const std::string& where, const Key& key) {
  const auto value = node.is_number() ? node.value<double>() : std::nullopt;
  if (!value || !std::isfinite(*value)) FailType(where, key, "a number");
  return *value;
}

// Assigns a TOML value to a key. `folder` is what relative paths start from.
class Assign {
 public:
  Assign(const toml::node& node, const std::string& where, const Key& key, const std::filesystem::path& folder)
      : node_(node), where_(where), key_(key), folder_(folder) {}

  void operator()(std::string* target) const {
    const auto value = node_.value_exact<std::string>();
    if (!value) FailType(where_, key_, "a text in quotes");
    *target = *value;
  }
  void operator()(Path target) const {
    (*this)(target.value);
    if (!target.value->empty()) *target.value = (folder_ / *target.value).lexically_normal();
  }
  void operator()(Paths target) const {
    target.value->clear();
    ForEach("at least one path", [&](const toml::node& element) {
      (Assign(element, where_, key_, folder_))(Path{&target.value->emplace_back()});
    });
  }
  void operator()(bool* target) const {
    const auto value = node_.value_exact<bool>();
    if (!value) FailType(where_, key_, "true or false");
    *target = *value;
  }
  void operator()(double* target) const { *target = ToNumber(node_, where_, key_); }
  void operator()(uint32_t* target) const { *target = ToInteger<uint32_t>(node_, where_, key_); }
  void operator()(uint64_t* target) const { *target = ToInteger<uint64_t>(node_, where_, key_); }
  void operator()(std::vector<double>* target) const {
    target->clear();
    ForEach("at least one number",
            [&](const toml::node& element) { target->push_back(ToNumber(element, where_, key_)); });
  }
  void operator()(std::vector<uint32_t>* target) const {
    target->clear();
    ForEach("at least one number",
            [&](const toml::node& element) { target->push_back(ToInteger<uint32_t>(element, where_, key_)); });
  }
  // One number stands for all of them.
  template <size_t kNum>
  void operator()(std::array<uint32_t, kNum>* target) const {
    const toml::array* array = node_.as_array();
    if (array && array->size() != kNum) {
      FailType(where_, key_, fmt::format("one whole number, or {} in a list", kNum).c_str());
    }
    for (size_t i = 0; i < kNum; ++i) (*target)[i] = ToInteger<uint32_t>(array ? (*array)[i] : node_, where_, key_);
  }

 private:
  // A list's elements, or what stands there alone.
  template <typename Use>
  void ForEach(const char* expected, const Use& use) const {
    const toml::array* array = node_.as_array();
    if (!array) return use(node_);
    if (array->empty()) FailType(where_, key_, expected);
    for (const toml::node& element : *array) use(element);
  }

  const toml::node& node_;
  const std::string& where_;
  const Key& key_;
  const std::filesystem::path& folder_;
};

toml::table ParseToml(const std::string& text, const std::string& where) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    Fail(ErrorCode::kInvalidArgument, "{}:{}: {}", where, error.source().begin.line, error.description());
  }
}

void ApplyFile(Job* job, const std::vector<Key>& keys) {
  const toml::table file = ParseToml(ReadFile(job->path), job->path);
  const std::filesystem::path folder = std::filesystem::path(job->path).parent_path();
  for (const auto& [section, content] : file) {
    const std::string where = fmt::format("{}:{}", job->path, content.source().begin.line);
    const toml::table* table = content.as_table();
    if (!table) {
      Fail(ErrorCode::kInvalidArgument, "{}: '{}' stands outside a section; write it below [section]", where,
           section.str());
    }
    for (const auto& [name, value] : *table) {
      const std::string line = fmt::format("{}:{}", job->path, name.source().begin.line);
      const Key& key = FindKey(keys, fmt::format("{}.{}", section.str(), name.str()), line);
      std::visit(Assign(value, line, key, folder), key.target);
      job->given.insert(key.name);
    }
  }
}

void ApplyOverride(Job* job, const std::vector<Key>& keys, const std::string& argument) {
  const size_t equals = argument.find('=');
  if (!argument.starts_with("--") || equals == std::string::npos) {
    Fail(ErrorCode::kInvalidArgument, "unknown argument '{}'; keys of the job file are given as --section.key=value",
         argument);
  }
  const Key& key = FindKey(keys, argument.substr(2, equals - 2), argument);
  const std::string text = argument.substr(equals + 1);
  const bool is_path_alone = std::holds_alternative<Paths>(key.target) && !text.starts_with("[");
  const bool is_text =
      std::holds_alternative<std::string*>(key.target) || std::holds_alternative<Path>(key.target) || is_path_alone;
  toml::table table;
  if (is_text) {
    table.insert("value", text);
  } else {
    table = ParseToml("value = " + text, argument);
  }
  std::visit(Assign(*table.get("value"), argument, key, std::filesystem::path()), key.target);
  job->given.insert(key.name);
}

}  // namespace

void Job::TakeViews(const Schema& schema) {
  const OrderSpec order = OrderFromIdentity(schema.order);
  views.order = OrderKindName(order.kind);
  views.epochs_per_order = order.epochs_per_order;
  views.seed = schema.seed;
  if (schema.views.value("kind", "") == "tokens") {
    views.tokens = TokenViewSpecFromIdentity(schema.views);
  } else {
    static_cast<ViewSpec&>(views) = ViewSpecFromIdentity(schema.views);
  }
}

nlohmann::json Job::ToJson() const {
  nlohmann::json object;
  for (const Key& key : KeysOf(const_cast<Job*>(this))) {
    const size_t dot = key.name.find('.');
    nlohmann::json& slot = object[key.name.substr(0, dot)][key.name.substr(dot + 1)];
    std::visit(
        [&](auto target) {
          if constexpr (std::is_same_v<decltype(target), Path> || std::is_same_v<decltype(target), Paths>) {
            slot = *target.value;
          } else {
            slot = *target;
          }
        },
        key.target);
  }
  return object;
}

void Job::Require(const std::string& key) const {
  const size_t dot = key.find('.');
  const nlohmann::json value = ToJson()[key.substr(0, dot)][key.substr(dot + 1)];
  if (!given.contains(key) || value == "" || value == nlohmann::json::array({""})) {
    Fail(ErrorCode::kInvalidArgument, "{}: {} is missing; add it to the file or give --{}=...", path, key, key);
  }
}

Job ReadJob(const std::string& path, const std::vector<std::string>& overrides) {
  Job job;
  job.path = path;
  job.produce.decode_threads = job.produce.replicas = 0;  // as the cores are, see ResolveThreads()
  const std::vector<Key> keys = KeysOf(&job);
  if (!path.empty()) ApplyFile(&job, keys);
  for (const std::string& argument : overrides) ApplyOverride(&job, keys, argument);
  return job;
}

}  // namespace decant
