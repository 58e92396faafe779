#include "api/v1/wish.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::api::v1 {
namespace {

using environment::Blueprint;
using environment::Wish;

constexpr size_t kMaxFiles = 200;

std::string password(Entropy& entropy, int length) {
  constexpr std::string_view kAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
  std::string text;
  while (static_cast<int>(text.size()) < length) {
    for (const unsigned char byte : entropy.bytes(64)) {
      // Values past the last whole multiple would favour the alphabet's start.
      if (byte < 256 - 256 % kAlphabet.size() && static_cast<int>(text.size()) < length) {
        text += kAlphabet[byte % kAlphabet.size()];
      }
    }
  }
  return text;
}

// The secrets that generations of this blueprint refer to: parameters of secret type, and generated
// passwords.
Status pin_secrets(Backend& backend, const Blueprint& blueprint, Wish& wish) {
  const environment::Values values =
      environment::resolve_parameters(blueprint, wish.profile, wish.parameters);
  for (const auto& [name, parameter] : blueprint.parameters) {
    if (!parameter.secret) continue;
    const auto value = values.values.find(name);
    if (value == values.values.end() || !value->second.is(document::Kind::kString) ||
        value->second.text.empty()) {
      continue;
    }
    const std::string& secret = value->second.text;
    const auto version = backend.vault.latest_version(secret);
    if (!version) {
      return fail(Code::kNotFound,
                  fmt::format("the parameter {} names the secret \"{}\", which is not set", name, secret),
                  fmt::format("headrace secret set {}", secret));
    }
    wish.secrets[secret] = *version;
  }
  for (const environment::Component& component : blueprint.components) {
    for (const environment::Generated& generated : component.generated) {
      if (!generated.is_secret()) continue;
      const std::string name = fmt::format("env/{}/{}/{}", wish.name, component.name, generated.name);
      TRY(wish.secrets[name],
          backend.vault.ensure(name, [&] { return Secret(password(backend.entropy, generated.length)); }));
    }
  }
  return {};
}

void resolve_images(Backend& backend, const Blueprint& blueprint, Prepared& prepared, Wish& wish) {
  for (const auto& [name, reference] : blueprint.images) {
    if (wish.images.contains(name)) continue;
    auto id = backend.resolve_image(reference);
    if (id) {
      wish.images[name] = *std::move(id);
    } else {
      Error error = std::move(id).error();
      if (error.code == Code::kNotFound) {
        error.message = fmt::format("there is no image {} (\"{}\" in the blueprint)", reference, name);
        error.remedy =
            "build it (make up builds the shipped ones: blueprints/images/build), or name one that exists";
      }
      prepared.errors.push_back(std::move(error));
    }
  }
}

// What the environment was last asked to be, under which the new wish is laid.
const environment::EnvironmentView* existing(const server::Snapshot& snapshot, const std::string& name) {
  const auto found = std::ranges::find(*snapshot.environments, environment::EnvironmentId(name),
                                       &environment::EnvironmentView::name);
  return found == snapshot.environments->end() ? nullptr : &*found;
}

Status read_wish(const json::object& body, Wish& wish) {
  TRY(std::string name, string_member(body, "name"));
  wish.name = environment::EnvironmentId(std::move(name));
  TRY(wish.owner, string_member(body, "owner", "local user"));
  TRY(wish.atomic, bool_member(body, "atomic"));
  TRY(const std::string ttl, string_member(body, "ttl"));
  if (!ttl.empty()) {
    TRY(wish.ttl, parse_duration(ttl));
  }
  TRY(wish.profile, string_member(body, "profile"));
  if (const json::value* parameters = body.if_contains("parameters")) {
    if (!parameters->is_object()) return fail(Code::kInvalid, "\"parameters\" has to be an object");
    for (const auto& [key, value] : parameters->get_object()) wish.parameters[key] = json::serialize(value);
  }
  return {};
}

}  // namespace

Result<environment::BlueprintSource> source_of(const json::object& body) {
  const json::value* files = body.if_contains("files");
  if (!files || !files->is_object() || files->get_object().size() > kMaxFiles) {
    return fail(Code::kInvalid,
                fmt::format("\"files\" has to be an object of at most {} file texts by path", kMaxFiles));
  }
  environment::BlueprintSource source;
  for (const auto& [path, text] : files->get_object()) {
    if (!text.is_string())
      return fail(Code::kInvalid, fmt::format("the file {} has to be a text", std::string(path)));
    source.files[path] = std::string(text.get_string());
  }
  return source;
}

Prepared prepare_wish(Backend& backend, const json::object& body) {
  Prepared prepared;
  Wish wish;
  const auto refuse = [&](Error error) {
    prepared.errors.push_back(std::move(error));
    return prepared;
  };
  if (auto read = read_wish(body, wish); !read) return refuse(std::move(read).error());
  if (body.contains("files")) {
    auto source = source_of(body);
    if (!source) return refuse(std::move(source).error());
    wish.source = *std::move(source);
  }
  // The last wish of an existing environment: its files, profile and parameters unless said otherwise.
  const auto snapshot = backend.pump.snapshot();
  if (const auto* known = existing(*snapshot, wish.name.str())) {
    if (wish.source.files.empty()) {
      wish.source = *known->source;
      wish.images = known->images;  // pinned: only a blueprint that is given anew asks for its images again
    }
    if (wish.profile.empty()) wish.profile = known->profile;
    for (const auto& [name, value] : known->given) wish.parameters.emplace(name, value);
  }
  if (wish.source.files.empty()) {
    return refuse({Code::kInvalid,
                   fmt::format("there is no environment \"{}\" and no blueprint was given", wish.name),
                   "name a blueprint's folder"});
  }
  environment::Loaded loaded = environment::load_blueprint(wish.source);
  if (!loaded.blueprint) {
    prepared.errors = std::move(loaded.errors);
    return prepared;
  }
  wish.blueprint = loaded.blueprint;
  environment::Values values =
      environment::resolve_parameters(*wish.blueprint, wish.profile, wish.parameters);
  prepared.errors = std::move(values.errors);
  resolve_images(backend, *wish.blueprint, prepared, wish);
  if (!prepared.errors.empty()) return prepared;
  if (auto pinned = pin_secrets(backend, *wish.blueprint, wish); !pinned) {
    return refuse(std::move(pinned).error());
  }
  prepared.wish = std::move(wish);
  return prepared;
}

}  // namespace headrace::api::v1
