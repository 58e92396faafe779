// The fields of the dialect, each declared once: decoding, its errors and the JSON Schema come from here.
#include <fmt/format.h>

#include <algorithm>

#include "environment/blueprint_files.h"

// Beside the enums, where the decoder looks for them.
namespace headrace::process {
static document::Words<PortKind> words_of(const PortKind*) {
  return {{"fixed", PortKind::kFixed}, {"dynamic", PortKind::kDynamic}, {"per-slot", PortKind::kPerSlot}};
}
}  // namespace headrace::process
namespace headrace::cluster {
static document::Words<Protocol> words_of(const Protocol*) {
  return {{"tcp", Protocol::kTcp}, {"udp", Protocol::kUdp}};
}
static document::Words<Operator> words_of(const Operator*) {
  return {{"UNIQUE", Operator::kUnique}, {"LIKE", Operator::kLike},       {"UNLIKE", Operator::kUnlike},
          {"IS", Operator::kIs},         {"CLUSTER", Operator::kCluster}, {"GROUP_BY", Operator::kGroupBy},
          {"MAX_PER", Operator::kMaxPer}};
}
}  // namespace headrace::cluster

namespace headrace::environment {

using document::Decoder;
using document::Kind;
using document::Node;
using document::Rules;
using document::SchemaBuilder;
using document::Table;
using document::Words;

namespace {

const Rules kWord{.maximum = 40,
                  .pattern = "[a-z][a-z0-9-]*",
                  .pattern_says = "small letters, digits and hyphens, and begin with a letter"};
// What expressions select with a dot.
const Rules kName{.maximum = 60,
                  .pattern = "[A-Za-z][A-Za-z0-9_]*",
                  .pattern_says = "letters, digits and underscores, and begin with a letter"};
const Rules kInterface{.pattern = "[a-z][a-z0-9-]*/v[0-9]+",
                       .pattern_says = "a name and a version, as in kafka/v1"};
const Rules kVersion{.pattern = "[0-9]+(\\.[0-9]+){0,2}(-[0-9A-Za-z.-]+)?",
                     .pattern_says = "up to three numbers, as in 1.0.0"};
const Rules kPath{.pattern = "/.*", .pattern_says = "an absolute path"};
const Rules kPositive{.minimum = 1};

// Structs whose name is their key in a map.
template <class T>
concept Named = requires(T value) { value.name = std::string(); };

Node text_schema() {
  return SchemaBuilder::typed("string");
}

}  // namespace

static Words<Type> words_of(const Type*) {
  return {{"string", Type::kString},   {"integer", Type::kInteger}, {"number", Type::kNumber},
          {"boolean", Type::kBoolean}, {"list", Type::kList},       {"map", Type::kMap},
          {"secret", Type::kSecret}};
}
static Words<Generated::Kind> words_of(const Generated::Kind*) {
  return {{"uuid", Generated::Kind::kUuid}, {"password", Generated::Kind::kPassword}};
}
static Words<Generated::Encoding> words_of(const Generated::Encoding*) {
  return {{"text", Generated::Encoding::kText}, {"base64url", Generated::Encoding::kBase64Url}};
}
static Words<Step::OnFailure> words_of(const Step::OnFailure*) {
  return {{"fail", Step::OnFailure::kFail}, {"continue", Step::OnFailure::kContinue}};
}

std::string_view word_of(Type type) {
  static const Words<Type> words = words_of(static_cast<const Type*>(nullptr));
  return std::ranges::find(words, type, &Words<Type>::value_type::second)->first;
}

// Declared before use by the codecs below; defined in the order of the files.
const Table<Parameter>& table_of(const Parameter*);
const Table<Generated>& table_of(const Generated*);
const Table<Provided>& table_of(const Provided*);
const Table<Required>& table_of(const Required*);
const Table<Interface>& table_of(const Interface*);
const Table<Port>& table_of(const Port*);
const Table<Volume>& table_of(const Volume*);
const Table<SecretMount>& table_of(const SecretMount*);
const Table<Ready>& table_of(const Ready*);
const Table<Service>& table_of(const Service*);
const Table<Step>& table_of(const Step*);
const Table<Command>& table_of(const Command*);
const Table<Profile>& table_of(const Profile*);
const Table<Output>& table_of(const Output*);
const Table<ComponentUse>& table_of(const ComponentUse*);
const Table<BlueprintFile>& table_of(const BlueprintFile*);
const Table<Component>& table_of(const Component*);

}  // namespace headrace::environment

namespace headrace::document {

using environment::Named;

// A map whose keys are the items' names, in the order of the file; or only a list of their names.
template <Named T>
struct Codec<std::vector<T>> {
  static void decode(Decoder& decoder, const Node& node, std::vector<T>& value, const Rules& rules) {
    if (node.is(Kind::kMap)) {
      for (const Node& item : node.items) add(decoder, item.key, item.key_place, item, value, rules);
    } else if (node.is(Kind::kList) &&
               std::ranges::all_of(node.items, [](const Node& item) { return item.is(Kind::kString); })) {
      Node nothing = Node::map();
      for (const Node& item : node.items) {
        nothing.place = item.place;
        add(decoder, item.text, item.place, nothing, value, rules);
      }
    } else {
      decoder.wrong_type(node, "a map by name, or a list of names");
    }
  }
  static void add(Decoder& decoder, const std::string& name, const Place& place, const Node& body,
                  std::vector<T>& value, const Rules& rules) {
    decoder.within(name, [&] {
      T& made = value.emplace_back();
      made.name = name;
      Node key = Node::of(name);
      key.place = place;
      decoder.obey(key, rules, std::string_view(name));
      Codec<T>::decode(decoder, body, made, {});
    });
  }
  static Node schema(SchemaBuilder& builder, const Rules& rules) {
    Node names = SchemaBuilder::typed("array");
    names.set("items", SchemaBuilder::typed("string"));
    return Node::map(
        {{"anyOf", Node::list({Codec<std::map<std::string, T>>::schema(builder, rules), names})}});
  }
};

// A list of maps with one key each: - create-topics: { … }
template <>
struct Codec<std::vector<environment::Step>> {
  static void decode(Decoder& decoder, const Node& node, std::vector<environment::Step>& value,
                     const Rules&) {
    if (!node.is(Kind::kList)) return decoder.wrong_type(node, "a list of steps");
    for (const Node& item : node.items) {
      if (!item.is(Kind::kMap) || item.items.size() != 1) {
        decoder.wrong_type(item, "a step: one name and its fields", "- create-topics: { image: …, … }");
        continue;
      }
      const Node& body = item.items.front();
      decoder.within(body.key, [&] {
        environment::Step step;
        step.name = body.key;
        if (!value.empty()) step.needs = {value.back().name};
        Node key = Node::of(body.key);
        key.place = body.key_place;
        decoder.obey(key, environment::kWord, std::string_view(body.key));
        Codec<environment::Step>::decode(decoder, body, step, {});
        value.push_back(std::move(step));
      });
    }
  }
  static Node schema(SchemaBuilder& builder, const Rules&) {
    Node step = SchemaBuilder::typed("object");
    step.set("minProperties", Node::of(std::int64_t{1}));
    step.set("maxProperties", Node::of(std::int64_t{1}));
    step.set("additionalProperties", Codec<environment::Step>::schema(builder, {}));
    Node list = SchemaBuilder::typed("array");
    list.set("items", std::move(step));
    return list;
  }
};

// [field, OPERATOR] or [field, OPERATOR, value], as in Marathon.
template <>
struct Codec<cluster::Constraint> {
  static void decode(Decoder& decoder, const Node& node, cluster::Constraint& value, const Rules&) {
    if (!node.is(Kind::kList) || node.items.size() < 2 || node.items.size() > 3) {
      return decoder.wrong_type(node, "[field, OPERATOR] or [field, OPERATOR, value]");
    }
    Codec<std::string>::decode(decoder, node.items[0], value.field, {});
    Codec<cluster::Operator>::decode(decoder, node.items[1], value.op, {});
    if (node.items.size() == 3) value.value = node.items[2].text;
  }
  static Node schema(SchemaBuilder&, const Rules&) {
    Node list = SchemaBuilder::typed("array");
    list.set("minItems", Node::of(std::int64_t{2}));
    list.set("maxItems", Node::of(std::int64_t{3}));
    return list;
  }
};

}  // namespace headrace::document

namespace headrace::environment {
namespace {

using document::Codec;

// A field that is written in another form than it is kept.
template <class T, class Written>
typename Table<T>::Field converted(std::string name, std::string description,
                                   std::function<void(Decoder&, const Node&, T&, Written&&)> keep) {
  return {.name = std::move(name),
          .required = false,
          .description = std::move(description),
          .refused = {},
          .decode =
              [keep](Decoder& decoder, const Node& node, T& value) {
                Written written;
                const size_t before = decoder.problems().size();
                Codec<Written>::decode(decoder, node, written, {});
                if (decoder.problems().size() == before) keep(decoder, node, value, std::move(written));
              },
          .schema = [](SchemaBuilder& builder) { return Codec<Written>::schema(builder, {}); }};
}

// `spread: agent`, or { by: agent, mode: preferred }: one instance on each value of an attribute of the
// agents.
struct Spread {
  enum class Mode { kRequired, kPreferred };
  std::string by;
  Mode mode = Mode::kRequired;
};
Words<Spread::Mode> words_of(const Spread::Mode*) {
  return {{"required", Spread::Mode::kRequired}, {"preferred", Spread::Mode::kPreferred}};
}
const Table<Spread>& table_of(const Spread*) {
  static const Table<Spread> table =
      Table<Spread>("spread",
                    "No two instances on the same agent, or the same value of an agents' attribute.")
          .required("by", &Spread::by, "`agent`, `hostname` or an attribute of the agents.")
          .optional("mode", &Spread::mode, "Whether instances wait where it cannot be kept.")
          .shorthand(
              [](Decoder&, const Node& node, Spread& spread) {
                spread.by = node.text;
                return node.is(Kind::kString);
              },
              text_schema());
  return table;
}

}  // namespace

const Table<Parameter>& table_of(const Parameter*) {
  static const Table<Parameter> table =
      Table<Parameter>("parameter", "A value that whoever uses this may set.")
          .optional("type", &Parameter::type, "Its type; string if absent.")
          .optional("description", &Parameter::description, "For people.")
          .optional("default", &Parameter::default_value, "Without one the parameter must be given.")
          .optional("minimum", &Parameter::minimum, "Of a number; of text and lists the length.")
          .optional("maximum", &Parameter::maximum, "Of a number; of text and lists the length.")
          .optional("enum", &Parameter::choices, "The only values allowed.", kPositive)
          .optional("pattern", &Parameter::pattern, "A regular expression that the whole text matches.")
          .optional("secret", &Parameter::secret,
                    "Its value is the name of a secret of the space; only files under `secrets` show it.")
          .check([](Decoder& decoder, const Node& node, Parameter& parameter) {
            if (parameter.type == Type::kSecret) {
              decoder.report(node, "a parameter cannot be of type secret", "write secret: true instead");
              return;
            }
            const bool is_text = parameter.type == Type::kString;
            if (parameter.secret && !is_text) decoder.report(node, "a secret is of type string");
            if (!is_text && (!parameter.pattern.empty() || !parameter.choices.empty())) {
              decoder.report(node, "enum and pattern are for parameters of type string");
            }
            if (parameter.minimum && parameter.maximum && *parameter.minimum > *parameter.maximum) {
              decoder.report(node, "the minimum is above the maximum");
            }
          });
  return table;
}

const Table<Generated>& table_of(const Generated*) {
  static const Table<Generated> table =
      Table<Generated>("generated", "A value made once per environment and kept with it.")
          .required("kind", &Generated::kind, "A UUID, or a password: a secret.")
          .optional("encoding", &Generated::encoding, "How a UUID is written.")
          .optional("length", &Generated::length, "Characters of a password.", {.minimum = 8, .maximum = 256})
          .field(converted<Generated, std::string>(
              "per", "`slot`: one for each slot number, as a list; `environment` (default): one.",
              [](Decoder& decoder, const Node& node, Generated& generated, std::string&& per) {
                generated.per_slot = per == "slot";
                if (per != "slot" && per != "environment") {
                  decoder.report(node, fmt::format("\"{}\" is not one of environment, slot", per));
                }
              }))
          .check([](Decoder& decoder, const Node& node, Generated& generated) {
            if (generated.per_slot && generated.is_secret()) {
              decoder.report({Code::kUnsupported,
                              "not supported in this release: a password per slot",
                              {},
                              node.place,
                              {}});
            }
          });
  return table;
}

const Table<Provided>& table_of(const Provided*) {
  static const Table<Provided> table =
      Table<Provided>("provided", "An interface that this component provides: its type and every attribute.")
          .required("type", &Provided::interface, "The interface, with its version.", kInterface)
          .others(
              [](Decoder& decoder, const Node& member, Provided& provided) {
                Codec<Template>::decode(decoder, member, provided.attributes[member.key], {});
              },
              Node::map());
  return table;
}

const Table<Required>& table_of(const Required*) {
  static const Table<Required> table =
      Table<Required>("required", "An interface that this component needs before it starts.")
          .required("type", &Required::interface, "The interface, with its version.", kInterface)
          .field(converted<Required, std::string>(
              "on_change", "What a changed attribute does to its users: restart.",
              [](Decoder& decoder, const Node& node, Required&, std::string&& word) {
                if (word == "restart") return;
                decoder.report({Code::kUnsupported,
                                fmt::format("not supported in this release: on_change: {}", word),
                                "leave it out: stateless services that use what changed are replaced",
                                node.place,
                                {}});
              }));
  return table;
}

const Table<Interface>& table_of(const Interface*) {
  static const Table<Interface> table =
      Table<Interface>("interface", "The attributes of an interface with their types.")
          .others(
              [](Decoder& decoder, const Node& member, Interface& interface) {
                Codec<Type>::decode(decoder, member, interface.attributes[member.key], {});
              },
              document::schema_of_words(Codec<Type>::words()));
  return table;
}

const Table<Port>& table_of(const Port*) {
  static const Table<Port> table =
      Table<Port>("port", "A port of each instance.")
          .optional("kind", &Port::kind,
                    "fixed: one number for the service (default with slots); dynamic: a free number for each "
                    "instance (default without); per-slot: one number per slot.")
          .optional("protocol", &Port::protocol, "tcp or udp.");
  return table;
}

const Table<Volume>& table_of(const Volume*) {
  static const Table<Volume> table =
      Table<Volume>("volume", "A place whose contents live as long as the slot.")
          .required("path", &Volume::path, "Where the container sees it.", kPath)
          .required("size", &Volume::size, "Its size, such as 10GiB.", kPositive);
  return table;
}

const Table<SecretMount>& table_of(const SecretMount*) {
  static const Table<SecretMount> table =
      Table<SecretMount>("secret-file", "A file that shows a secret.")
          .required("value", &SecretMount::secret, "An expression that gives a secret.")
          .optional("path", &SecretMount::path, "Default: /run/secrets/ and its name.", kPath)
          .shorthand(
              [](Decoder& decoder, const Node& node, SecretMount& mount) {
                Codec<Template>::decode(decoder, node, mount.secret, {});
                return true;
              },
              text_schema());
  return table;
}

const Table<Ready>& table_of(const Ready*) {
  static const Table<Ready> table =
      Table<Ready>("ready", "The check that an instance is usable; exactly one of command, http and tcp.")
          .optional("command", &Ready::command, "Run in the container; exit code 0 is a pass.", kPositive)
          .group("http", Table<Ready>("http-check", "An HTTP GET; 200 to 399 is a pass.")
                             .required("port", &Ready::port, "The name of the port.")
                             .optional("path", &Ready::path, "The path asked for.", kPath))
          .optional("tcp", &Ready::port, "The name of a port that takes connections.")
          .optional("interval", &Ready::interval, "Between two checks once ready.", {.minimum = 100})
          .optional("timeout", &Ready::timeout, "Of one check.", {.minimum = 100})
          .optional("grace", &Ready::grace, "Failures before the first pass do not count for so long.")
          .optional("failures", &Ready::failures, "So many in a row make an instance unhealthy; 0: never.",
                    {.minimum = 0})
          .check([](Decoder& decoder, const Node& node, Ready& ready) {
            const Node *command = node.find("command"), *http = node.find("http"), *tcp = node.find("tcp");
            if ((command != nullptr) + (http != nullptr) + (tcp != nullptr) != 1) {
              decoder.report(node, "exactly one of command, http and tcp says how to check");
            }
            ready.kind = command ? cluster::CheckKind::kCommand
                         : http  ? cluster::CheckKind::kHttp
                                 : cluster::CheckKind::kTcp;
          });
  return table;
}

const Table<Service>& table_of(const Service*) {
  static const Table<Service> table =
      Table<Service>("service", "A set of equal containers.")
          .required("image", &Service::image, "A name from the blueprint's images.")
          .optional("count", &Service::count, "How many instances. Default 1.")
          .field(converted<Service, std::string>(
              "identity",
              "`ordinal`: each instance has a slot, whose address and volumes stay. Default none.",
              [](Decoder& decoder, const Node& node, Service& service, std::string&& word) {
                service.ordinal = word == "ordinal";
                if (word != "ordinal" && word != "none") {
                  decoder.report(node, fmt::format("\"{}\" is not one of none, ordinal", word));
                }
              }))
          .optional("entrypoint", &Service::entrypoint, "Replaces the image's.")
          .optional("command", &Service::command, "Replaces the image's command.")
          .optional("env", &Service::env, "Variables of the container's environment.",
                    {.pattern = "[A-Za-z_][A-Za-z0-9_.]*"})
          .optional("secrets", &Service::secrets, "Files that show secrets, by name.", kName)
          .group("resources",
                 Table<Service>("resources", "What an instance gets.")
                     .optional("cpus", &Service::cpus_template, "Processors, or a part of one. Default 0.1.")
                     .optional("memory", &Service::memory_template, "As in 512MiB. Default 64MiB."))
          .optional("ports", &Service::ports, "Their names, or a map by name.", kName)
          .optional("volumes", &Service::volumes, "By name; only with `identity: ordinal`.", kWord)
          .optional("constraints", &Service::constraints, "[field, OPERATOR, value], as in Marathon.")
          .field(converted<Service, Spread>("spread", "No two instances on the same agent.",
                                            [](Decoder&, const Node&, Service& service, Spread&& spread) {
                                              service.constraints.push_back(
                                                  {.field = spread.by == "agent" ? "@agent" : spread.by,
                                                   .op = cluster::Operator::kUnique,
                                                   .value = {},
                                                   .preferred = spread.mode == Spread::Mode::kPreferred});
                                            }))
          .optional("ready", &Service::ready, "The check that an instance is usable.")
          .optional("after", &Service::after, "Services of this component that must be ready before.")
          .optional("user", &Service::user, "The user that the container runs as.")
          .optional("grace", &Service::grace, "Between the polite and the hard end of a stop.")
          .optional("read_only", &Service::read_only, "The container's root file system.")
          .optional("tmpfs", &Service::tmpfs, "Path to mount options.", kPath)
          .optional("labels", &Service::labels, "Of the containers.")
          .unsupported("update", "update.gate: no operation moves slots one by one yet")
          .check([](Decoder& decoder, const Node& node, Service& service) {
            // What is no expression is read at once.
            if (service.cpus_template.is_constant()) {
              Codec<double>::decode(decoder, *node.find("resources")->find("cpus"), service.cpus,
                                    {.minimum = 0.001, .maximum = 4096});
              service.cpus_template = {};
            }
            if (service.memory_template.is_constant()) {
              Codec<Bytes>::decode(decoder, *node.find("resources")->find("memory"), service.memory,
                                   {.minimum = 1 << 20});
              service.memory_template = {};
            }
            const Node* ports = node.find("ports");
            for (Port& port : service.ports) {
              const Node* written = ports->find(port.name);
              if (written && written->find("kind")) continue;
              port.kind = service.ordinal ? process::PortKind::kFixed : process::PortKind::kDynamic;
            }
            if (!service.ordinal && !service.volumes.empty()) {
              decoder.report(*node.find("volumes"), "volumes need slots", "set identity: ordinal");
            }
            if (!service.ordinal && std::ranges::find(service.ports, process::PortKind::kPerSlot,
                                                      &Port::kind) != service.ports.end()) {
              decoder.report(*ports, "a port per slot needs slots", "set identity: ordinal");
            }
          });
  return table;
}

const Table<Step>& table_of(const Step*) {
  static const Table<Step> table =
      Table<Step>("step", "A task (image), or scale.")
          .optional("needs", &Step::needs, "Steps that must end before. Default: the one above.")
          .optional("if", &Step::condition, "Skipped when it gives false.")
          .optional("for_each", &Step::for_each, "Once for each item of a list, as `item`.")
          .optional("retry", &Step::retry, "More attempts after a failure.", {.minimum = 0, .maximum = 100})
          .optional("timeout", &Step::timeout, "Of all attempts together.", {.minimum = 1000})
          .optional("on_failure", &Step::on_failure, "Whether what needs it goes on.")
          .optional("idempotent", &Step::idempotent, "May run again when nobody knows whether it ran.")
          .optional("image", &Step::image, "A name from the blueprint's images.")
          .optional("entrypoint", &Step::entrypoint, "Replaces the image's.")
          .optional("command", &Step::command, "Replaces the image's command.")
          .optional("env", &Step::env, "Variables of the container's environment.")
          .optional("secrets", &Step::secrets, "Files that show secrets, by name.", kName)
          .optional("every", &Step::interval, "Repeats the task until it succeeds: a wait.", {.minimum = 100})
          .optional("scale", &Step::service, "A stateless service of this component to scale…")
          .optional("to", &Step::count, "… to so many instances.")
          .unsupported("restart", "a restart step")
          .unsupported("call", "a step that calls a command of another component")
          .check([](Decoder& decoder, const Node& node, Step& step) {
            const bool scales = node.find("scale") != nullptr;
            if (scales == (node.find("image") != nullptr))
              decoder.report(node, "a step has exactly one of image and scale");
            step.kind = scales               ? Step::Kind::kScale
                        : node.find("every") ? Step::Kind::kWaitUntil
                                             : Step::Kind::kTask;
            if (scales && step.count.empty()) decoder.missing_field(node, "to");
          });
  return table;
}

const Table<Command>& table_of(const Command*) {
  static const Table<Command> table =
      Table<Command>("command", "Something that people and other components can ask for.")
          .optional("description", &Command::description, "For people.")
          .optional("arguments", &Command::arguments, "Its arguments, as parameters.", kName)
          .optional("sets", &Command::sets, "Parameters of this component that its success changes.")
          .optional("steps", &Command::steps, "What is done.");
  return table;
}

const Table<Profile>& table_of(const Profile*) {
  static const Table<Profile> table =
      Table<Profile>("profile", "Named values for the parameters.")
          .optional("description", &Profile::description, "For people.")
          .optional("agents", &Profile::agents, "How many agents it is made for.", kPositive)
          .optional("parameters", &Profile::parameters, "Values by parameter.");
  return table;
}

const Table<Output>& table_of(const Output*) {
  static const Table<Output> table =
      Table<Output>("output", "What whoever launched this wants to know: an address, a name.")
          .required("value", &Output::value, "An expression over components.<name>.<provided>.<attribute>.")
          .optional("description", &Output::description, "For people.")
          .shorthand(
              [](Decoder& decoder, const Node& node, Output& output) {
                Codec<Template>::decode(decoder, node, output.value, {});
                return true;
              },
              text_schema());
  return table;
}

const Table<ComponentUse>& table_of(const ComponentUse*) {
  static const Table<ComponentUse> table =
      Table<ComponentUse>("component-use", "A component of this blueprint.")
          .optional("component", &ComponentUse::component, "components/<this>.yaml; default: its own name.",
                    kWord)
          .optional("parameters", &ComponentUse::parameters, "Values for its parameters.")
          .optional("bind", &ComponentUse::bind,
                    "Requirement to component, or component.provided, where more than one fits.");
  return table;
}

const Table<BlueprintFile>& table_of(const BlueprintFile*) {
  static const Table<BlueprintFile> table =
      Table<BlueprintFile>("blueprint", "A whole application.")
          .required("blueprint", &BlueprintFile::name, "Its name.", kWord)
          .required("version", &BlueprintFile::version, "Its version.", kVersion)
          .optional("description", &BlueprintFile::description, "For people.")
          .optional("parameters", &BlueprintFile::parameters, "What whoever launches it may set.", kName)
          .optional("profiles", &BlueprintFile::profiles, "Named sets of parameter values.", kWord)
          .optional("images", &BlueprintFile::images, "Names of images to Docker references.", kWord)
          .optional("interfaces", &BlueprintFile::interfaces, "What components provide and require.",
                    kInterface)
          .required("components", &BlueprintFile::components, "Its parts.", kWord)
          .optional("outputs", &BlueprintFile::outputs, "What is shown of a running environment.", kName);
  return table;
}

const Table<Component>& table_of(const Component*) {
  static const Table<Component> table =
      Table<Component>("component", "One part of a blueprint.")
          .required("component", &Component::kind, "Its name, the file's.", kWord)
          .required("version", &Component::version, "Its version.", kVersion)
          .optional("parameters", &Component::parameters, "What the blueprint may set.", kName)
          .optional("generated", &Component::generated, "Values made once per environment.", kName)
          .optional("provides", &Component::provides, "Interfaces for others.", kName)
          .optional("requires", &Component::requires_, "Interfaces that it needs.", kName)
          .optional("services", &Component::services, "Its containers.", kWord)
          .optional("launch", &Component::launch, "Steps once its services are ready.")
          .optional("commands", &Component::commands, "What can be asked of it.", kWord);
  return table;
}

const Node& Source::at(const std::vector<std::string>& path) const {
  const Node* node = &root_;
  for (const std::string& step : path) {
    const Node* next = node->find(step);
    // A list of single-key maps: steps by name.
    for (size_t i = 0; !next && i < node->items.size() && node->is(Kind::kList); ++i) {
      next = node->items[i].find(step);
      if (!next && node->items[i].text == step) next = &node->items[i];
    }
    if (!next) return *node;
    node = next;
  }
  return *node;
}

void Source::report(Code code, const std::vector<std::string>& path, std::string message,
                    std::string remedy) const {
  std::string where;
  for (const std::string& step : path) where += (where.empty() ? "" : ".") + step;
  problems_.push_back({code, where + ": " + message, std::move(remedy), at(path).place, {}});
}
void Source::report(const std::vector<std::string>& path, std::string message, std::string remedy) const {
  report(Code::kInvalid, path, std::move(message), std::move(remedy));
}

document::Checked<BlueprintFile> read_blueprint_file(const Node& root) {
  return document::decode<BlueprintFile>(root);
}
document::Checked<Component> read_component_file(const Node& root) {
  return document::decode<Component>(root);
}

std::string blueprint_schema() {
  return document::to_json(document::schema_of<BlueprintFile>(), true);
}
std::string component_schema() {
  return document::to_json(document::schema_of<Component>(), true);
}

}  // namespace headrace::environment
