#include "environment/blueprint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "environment/blueprint_files.h"
#include "environment/graph.h"

namespace headrace::environment {
namespace {

using document::Node;
using document::Problems;

constexpr std::string_view kMain = "blueprint.yaml";
constexpr std::string_view kFolder = "components/";

std::string digest_of(const BlueprintSource& source) {
  std::string all;
  for (const auto& [path, text] : source.files) {
    all += fmt::format("{}:{}{}:{}", path.size(), path, text.size(), text);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int length = 0;
  CHECK(EVP_Digest(all.data(), all.size(), hash.data(), &length, EVP_sha256(), nullptr) == 1);
  return fmt::format("{:02x}", fmt::join(hash.begin(), hash.begin() + length, ""));
}

class Loader {
 public:
  explicit Loader(const BlueprintSource& source) : source_(source) {}

  Loaded load() {
    load_main();
    if (!main_) return {nullptr, std::move(problems_)};
    for (const auto& [name, use] : file_.components) load_component(name, use);
    // What is bound to or shown can be checked only when every component could be read.
    if (blueprint_.components.size() == file_.components.size()) {
      const Source main(*main_, problems_);
      for (Component& component : blueprint_.components) {
        check_settings(blueprint_, component, main);
        bind(component, main);
      }
      check_blueprint(blueprint_, main);
      order_components(main);
    }
    if (!problems_.empty()) return {nullptr, std::move(problems_)};
    blueprint_.digest = digest_of(source_);
    return {std::make_shared<const Blueprint>(std::move(blueprint_)), {}};
  }

 private:
  const Node* read(const std::string& path) {
    const auto text = source_.files.find(path);
    if (text == source_.files.end()) return nullptr;
    auto root = document::read_yaml(text->second, path);
    if (!root) {
      problems_.push_back(std::move(root.error()));
      return nullptr;
    }
    return &(roots_[path] = std::move(*root));
  }

  void load_main() {
    const std::string path(kMain);
    if (!source_.files.contains(path)) {
      problems_.push_back({Code::kInvalid,
                           "there is no blueprint.yaml",
                           "a blueprint is a folder that holds one",
                           {path, 0, 0},
                           {}});
      return;
    }
    const Node* root = read(path);
    if (!root) return;
    auto file = read_blueprint_file(*root);
    if (!file) {
      std::ranges::move(file.error(), std::back_inserter(problems_));
      return;
    }
    main_ = root;
    file_ = std::move(*file);
    blueprint_.name = file_.name;
    blueprint_.version = file_.version;
    blueprint_.description = file_.description;
    blueprint_.parameters = std::move(file_.parameters);
    blueprint_.profiles = std::move(file_.profiles);
    blueprint_.images = std::move(file_.images);
    blueprint_.interfaces = std::move(file_.interfaces);
    blueprint_.outputs = std::move(file_.outputs);
    for (auto& [name, parameter] : blueprint_.parameters) parameter.name = name;
    for (auto& [name, profile] : blueprint_.profiles) profile.name = name;
    for (auto& [name, interface] : blueprint_.interfaces) interface.name = name;
  }

  void load_component(const std::string& name, const ComponentUse& use) {
    const std::string kind = use.component.empty() ? name : use.component;
    const std::string path = fmt::format("{}{}.yaml", kFolder, kind);
    if (!source_.files.contains(path)) {
      std::vector<std::string> known;
      for (const auto& [file, text] : source_.files) {
        if (file.starts_with(kFolder) && file.ends_with(".yaml")) {
          known.push_back(file.substr(kFolder.size(), file.size() - kFolder.size() - 5));
        }
      }
      return Source(*main_, problems_)
          .report({"components", name}, fmt::format("there is no component \"{}\": no file {}", kind, path),
                  document::suggestion(kind, known));
    }
    const bool is_new = !roots_.contains(path) && !unreadable_.contains(path);
    const Node* root = is_new ? read(path) : roots_.contains(path) ? &roots_.at(path) : nullptr;
    if (!root) {
      unreadable_.insert(path);
      return;
    }
    auto component = read_component_file(*root);
    if (!component) {
      if (is_new) std::ranges::move(component.error(), std::back_inserter(problems_));
      return;
    }
    finish_component(*component, name, use, path);
    Problems found;  // the same for every use of the file
    const Source source(*root, is_new ? problems_ : found);
    if (component->kind != kind) {
      source.report({"component"}, fmt::format("the file of \"{}\" describes \"{}\"", kind, component->kind),
                    "name the file after its component");
    }
    check_component(blueprint_, *component, source);
    component->kind = kind;
    blueprint_.components.push_back(std::move(*component));
  }

  static void finish_component(Component& component, const std::string& name, const ComponentUse& use,
                               const std::string& path) {
    component.name = name;
    component.file = path;
    component.settings = use.parameters;
    for (auto& [key, parameter] : component.parameters) parameter.name = key;
    for (auto& [key, provided] : component.provides) provided.name = key;
    for (auto& [key, required] : component.requires_) required.name = key;
    const auto place_secrets = [](std::vector<SecretMount>& mounts) {
      for (SecretMount& mount : mounts) {
        if (mount.path.empty()) mount.path = "/run/secrets/" + mount.name;
      }
    };
    for (Service& service : component.services) place_secrets(service.secrets);
    for (Step& step : component.launch) place_secrets(step.secrets);
    for (Command& command : component.commands) {
      for (Step& step : command.steps) place_secrets(step.secrets);
    }
  }

  // Every requirement to the provider that the blueprint names, or to the only one that fits.
  void bind(Component& component, const Source& main) {
    const ComponentUse& use = file_.components.at(component.name);
    for (const auto& [name, target] : use.bind) {
      if (component.requires_.contains(name)) continue;
      main.report({"components", component.name, "bind", name},
                  fmt::format("{} requires nothing named \"{}\"", component.kind, name),
                  document::suggestion(name, names_of(component.requires_)));
    }
    for (const auto& [name, required] : component.requires_) {
      const auto named = use.bind.find(name);
      const std::string target = named == use.bind.end() ? "" : named->second;
      bind_one(component, required, target, {"components", component.name, "bind", name}, main);
    }
  }

  void bind_one(Component& component, const Required& required, const std::string& target,
                const std::vector<std::string>& path, const Source& main) {
    if (target.find(':') != std::string::npos) {
      return main.report(Code::kUnsupported, path,
                         "not supported in this release: binding to another environment", {});
    }
    const std::string wanted = target.substr(0, target.find('.'));
    const std::string attribute = target.size() > wanted.size() ? target.substr(wanted.size() + 1) : "";
    if (!target.empty() && !blueprint_.find(wanted)) {
      return main.report(path, fmt::format("there is no component \"{}\"", wanted),
                         document::suggestion(wanted, names_of(blueprint_.components)));
    }
    std::vector<std::pair<std::string, std::string>> fitting;
    std::vector<std::string> others;  // other versions, or other interfaces of the named component
    const std::string family = required.interface.substr(0, required.interface.find('/') + 1);
    for (const Component& provider : blueprint_.components) {
      if (target.empty() ? provider.name == component.name : provider.name != wanted) continue;
      for (const auto& [name, provided] : provider.provides) {
        if (!attribute.empty() && name != attribute) continue;
        if (provided.interface == required.interface) {
          fitting.emplace_back(provider.name, name);
        } else if (!target.empty() || provided.interface.starts_with(family)) {
          others.push_back(fmt::format("{}.{} is {}", provider.name, name, provided.interface));
        }
      }
    }
    if (fitting.size() == 1) {
      component.bindings[required.name] = fitting.front();
      return;
    }
    if (fitting.empty()) {
      const std::string who =
          target.empty() ? "no component provides" : fmt::format("{} does not provide", target);
      return main.report(path,
                         fmt::format("\"{}\" of {} is not bound: {} {}", required.name, component.name, who,
                                     required.interface),
                         others.empty() ? "" : fmt::format("{}", fmt::join(others, ", ")));
    }
    std::vector<std::string> choices;
    for (const auto& [provider, name] : fitting) choices.push_back(fmt::format("{}.{}", provider, name));
    main.report(path,
                fmt::format("\"{}\" of {} could be bound to {}", required.name, component.name,
                            fmt::join(choices, " or ")),
                fmt::format("say which: bind: {{ {}: {} }}", required.name, choices.front()));
  }

  void order_components(const Source& main) {
    Needs needs;
    for (const Component& component : blueprint_.components) {
      std::set<std::string>& of = needs[component.name];
      for (const auto& [name, binding] : component.bindings) of.insert(binding.first);
    }
    const Order order = order_of(needs);
    if (!order.cycle.empty()) {
      return main.report({"components", order.cycle.front()},
                         fmt::format("components require each other: {}", fmt::join(order.cycle, " → ")));
    }
    std::ranges::sort(blueprint_.components, {}, [&](const Component& component) {
      return std::ranges::find(order.names, component.name) - order.names.begin();
    });
  }

  const BlueprintSource& source_;
  Problems problems_;
  std::map<std::string, Node> roots_;  // by path
  std::set<std::string> unreadable_;
  const Node* main_ = nullptr;
  BlueprintFile file_;
  Blueprint blueprint_;
};

}  // namespace

const Component* Blueprint::find(std::string_view component) const {
  const auto found = std::ranges::find(components, component, &Component::name);
  return found == components.end() ? nullptr : &*found;
}

Loaded load_blueprint(const BlueprintSource& source) {
  return Loader(source).load();
}

}  // namespace headrace::environment
