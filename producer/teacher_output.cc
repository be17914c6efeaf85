#include "teacher_output.h"

#include <algorithm>
#include <vector>

#include "decant/base/error.h"

#include "teacher_errors.h"

namespace decant {
namespace {

struct Output {
  std::string name;
  std::string index;  // empty in a dict
  c10::IValue value;
};

std::vector<Output> OutputsOf(const c10::IValue& returned) {
  std::vector<Output> outputs;
  if (returned.isTuple()) {
    const auto& elements = returned.toTupleRef().elements();
    const auto type = returned.type()->cast<c10::TupleType>();
    const auto schema = type ? type->schema() : nullptr;
    for (size_t i = 0; i < elements.size(); ++i) {
      const std::string index = std::to_string(i);
      outputs.push_back({schema ? schema->arguments().at(i).name() : index, index, elements[i]});
    }
  } else if (returned.isList()) {
    for (const c10::IValue& element : returned.toListRef()) {
      const std::string index = std::to_string(outputs.size());
      outputs.push_back({index, index, element});
    }
  } else if (returned.isGenericDict()) {
    for (const auto& entry : returned.toGenericDict()) {
      if (entry.key().isString()) outputs.push_back({entry.key().toStringRef(), "", entry.value()});
    }
  }
  return outputs;
}

std::string List(const std::vector<Output>& outputs) {
  std::string list;
  for (const Output& output : outputs) {
    list += fmt::format("{}'{}' {}", list.empty() ? "" : ", ", output.name,
                        output.value.isTensor() ? Describe(output.value.toTensor()) : output.value.tagKind());
  }
  return list.empty() ? "nothing" : list;
}

}  // namespace

torch::Tensor PickOutput(const c10::IValue& returned, const std::string& output, const std::string& path) {
  if (returned.isTensor()) {
    if (output.empty()) return returned.toTensor();
    Fail(ErrorCode::kInvalidArgument, "teacher {}: teacher.output is '{}', but it returns one tensor without a name",
         path, output);
  }
  const std::vector<Output> outputs = OutputsOf(returned);
  const auto fits = [&](const Output& candidate) {
    if (output.empty()) return candidate.value.isTensor();
    return candidate.name == output || candidate.index == output;
  };
  const auto found = std::find_if(outputs.begin(), outputs.end(), fits);
  if (found == outputs.end() && !output.empty()) {
    Fail(ErrorCode::kInvalidArgument, "teacher {}: no output '{}' (teacher.output); it returns a {} of {}", path,
         output, returned.tagKind(), List(outputs));
  }
  if (output.empty() && std::count_if(outputs.begin(), outputs.end(), fits) != 1) {
    Fail(ErrorCode::kInvalidArgument,
         "teacher {}: not a tensor of logits, but a {} of {}; set teacher.output to the name of the logits", path,
         returned.tagKind(), List(outputs));
  }
  if (!found->value.isTensor()) {
    Fail(ErrorCode::kInvalidArgument, "teacher {}: output '{}' is not a tensor, but a {}", path, output,
         found->value.tagKind());
  }
  return found->value.toTensor();
}

}  // namespace decant
