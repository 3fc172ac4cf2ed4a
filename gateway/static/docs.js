// Draws the OpenAPI document that stands in this page. Needs nothing from elsewhere.
"use strict";

const doc = JSON.parse(document.getElementById("openapi").textContent);
const schemas = doc.components.schemas;

/** Make an element; children are nodes or texts, never HTML. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

/** One text in both languages; the style sheet shows one of them. */
function both(zh, en) {
  return [make("span", { lang: "zh" }, zh || en), make("span", { lang: "en" }, en || zh)];
}

function nameOf(schema) {
  return schema.$ref ? schema.$ref.split("/").pop() : null;
}

/** A schema's type in few words: `string`, `BillIn`, `QuotaOut[] | null`. */
function typeOf(schema) {
  const name = nameOf(schema);
  if (name) {
    const target = schemas[name];
    return target.enum ? target.enum.join(" | ") : name;
  }
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.oneOf) return schema.oneOf.map(typeOf).join(" | ");
  if (schema.type === "array") return typeOf(schema.items) + "[]";
  return schema.format ? schema.format : schema.type || "any";
}

/** What else a value must hold to: limits, form, default. */
function limitsOf(schema) {
  const inner = schema.anyOf ? schema.anyOf.find((each) => each.type !== "null") : schema;
  const found = [];
  if (inner.minimum !== undefined) found.push(`${inner.minimum} … ${inner.maximum}`);
  if (inner.pattern) found.push(inner.pattern);
  if (inner.maxItems) found.push(`≤ ${inner.maxItems}`);
  if (schema.default !== undefined && schema.default !== null) {
    found.push(`= ${JSON.stringify(schema.default)}`);
  }
  return found.join("  ");
}

function modelsIn(schema) {
  const name = nameOf(schema);
  if (name) return [name];
  const parts = schema.anyOf || schema.oneOf || (schema.items ? [schema.items] : []);
  return parts.flatMap(modelsIn);
}

function row(cells) {
  return make("tr", {}, ...cells.map((cell) => make("td", {}, ...[].concat(cell))));
}

function head(...titles) {
  const cells = titles.map(([zh, en]) => make("th", {}, ...both(zh, en)));
  return make("thead", {}, make("tr", {}, ...cells));
}

function required(isRequired) {
  return isRequired ? make("span", { class: "must" }, ...both(" 必填", " required")) : "";
}

/** The members of an object, and below it the objects that they hold. */
function fieldsOf(name, shown) {
  const schema = schemas[name];
  if (!schema || !schema.properties || shown.has(name)) return [];
  shown.add(name);
  const needs = new Set(schema.required || []);
  const body = make("tbody", {});
  const inner = [];
  for (const [field, value] of Object.entries(schema.properties)) {
    const limits = limitsOf(value);
    body.append(row([
      [make("code", {}, field), required(needs.has(field))],
      [make("span", { class: "type" }, typeOf(value)),
        limits ? make("div", { class: "type" }, make("code", {}, limits)) : ""],
      both(value["x-zh"], value.description),
    ]));
    inner.push(...modelsIn(value));
  }
  const table = make("table", {},
    head(["字段", "Field"], ["类型", "Type"], ["含义", "Meaning"]), body);
  const parts = [make("h4", {}, make("code", {}, name)), table];
  return parts.concat(inner.flatMap((each) => fieldsOf(each, shown)));
}

function parametersOf(operation) {
  if (!operation.parameters.length) return "";
  const body = make("tbody", {});
  for (const parameter of operation.parameters) {
    body.append(row([
      [make("code", {}, parameter.name), required(parameter.required)],
      make("span", { class: "type" }, parameter.in),
      both(parameter["x-zh"], parameter.description),
    ]));
  }
  return make("div", {}, make("h4", {}, ...both("请求头与参数", "Headers and parameters")),
    make("table", {}, head(["名称", "Name"], ["位置", "In"], ["含义", "Meaning"]), body));
}

function example(content) {
  if (!content || !content.example) return "";
  return make("pre", {}, JSON.stringify(content.example, null, 2));
}

function unfolded(zh, en, parts, isOpen) {
  const attributes = isOpen ? { open: "" } : {};
  return make("details", attributes, make("summary", {}, ...both(zh, en)), ...parts);
}

function requestOf(operation) {
  if (!operation.requestBody) return "";
  const content = operation.requestBody.content["application/json"];
  if (!content) {
    const types = Object.keys(operation.requestBody.content).map(
      (type) => make("p", {}, make("code", {}, type)));
    return make("div", {}, make("h4", {}, ...both("请求体：文件", "Request body: a file")),
      ...types);
  }
  const parts = [example(content), ...fieldsOf(nameOf(content.schema), new Set())];
  return make("div", {}, make("h4", {}, ...both("请求体", "Request body")),
    unfolded("字段与示例", "Fields and example", parts, true));
}

function answersOf(operation) {
  const parts = [make("h4", {}, ...both("答复", "Answer"))];
  const codes = [];
  for (const [status, response] of Object.entries(operation.responses)) {
    for (const code of response["x-codes"] || []) codes.push([status, code]);
    const type = Object.keys(response.content || {})[0];
    if (!type || type === "application/problem+json") continue;
    const content = response.content[type];
    const shown = new Set();
    const fields = modelsIn(content.schema).flatMap((name) => fieldsOf(name, shown));
    parts.push(make("p", {}, make("code", {}, status), " ", type));
    if (fields.length) {
      parts.push(unfolded("字段与示例", "Fields and example",
        [example(content), ...fields], false));
    }
  }
  const links = codes.map(([status, code]) =>
    make("a", { href: "#" + code }, make("code", {}, `${status} ${code}`)));
  parts.push(make("h4", {}, ...both("可能的错误", "Possible errors")),
    make("p", { class: "codes" }, ...links));
  return make("div", {}, ...parts);
}

function article(path, method, operation) {
  const needsSession = operation.security.length > 0;
  return make("article", { id: operation.operationId },
    make("h3", {}, ...both(operation["x-zh"], operation.summary)),
    make("p", { class: "call" },
      make("span", { class: "method" }, method.toUpperCase()),
      make("code", {}, path),
      needsSession ? "" : make("span", { class: "open" }, ...both("无需令牌", "no token"))),
    make("p", {}, ...both(operation["x-detail-zh"], operation.description)),
    parametersOf(operation), requestOf(operation), answersOf(operation));
}

function reasons() {
  const body = make("tbody", {});
  for (const reason of doc["x-reasons"]) {
    const line = row([
      [make("code", {}, reason.code),
        make("div", { class: "type" }, reason.status ? String(reason.status) : "")],
      both(reason.text.zh, reason.text.en),
      both(reason.next_step.zh, reason.next_step.en),
      reason.retry.allowed
        ? both(reason.retry.same_key ? "可，原键" : "可，新键",
          reason.retry.same_key ? "yes, same key" : "yes, new key")
        : both("否", "no"),
    ]);
    line.id = reason.code;
    body.append(line);
  }
  return make("section", { id: "reasons" },
    make("h2", {}, ...both("原因与错误代码", "Reasons and error codes")),
    make("p", { class: "soft" }, ...both(
      "没有 HTTP 状态的代码是按规则作出的决定，不是错误。",
      "Codes without an HTTP status are decisions by rule, not errors.")),
    make("table", {}, head(["代码", "Code"], ["说明", "What"],
      ["怎么做", "What to do"], ["重试", "Retry"]), body));
}

function draw() {
  const nav = document.querySelector("nav");
  const main = document.querySelector("main");
  for (const tag of doc.tags) {
    nav.append(make("h2", {}, ...both(tag["x-zh"], tag.description)));
    const section = make("section", {},
      make("h2", {}, ...both(tag["x-zh"], tag.description)));
    for (const [path, methods] of Object.entries(doc.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (operation.tags[0] !== tag.name) continue;
        nav.append(make("a", { href: "#" + operation.operationId },
          ...both(operation["x-zh"], operation.summary)));
        section.append(article(path, method, operation));
      }
    }
    main.append(section);
  }
  nav.append(make("h2", {}, ...both("代码", "Codes")),
    make("a", { href: "#reasons" }, ...both("原因与错误代码", "Reasons and error codes")));
  main.append(reasons());
}

function speak(language) {
  document.body.className = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

draw();
speak("zh");
document.getElementById("language").addEventListener("click", () => {
  speak(document.body.className === "zh" ? "en" : "zh");
});
if (location.hash) {
  const target = document.getElementById(location.hash.slice(1));
  if (target) target.scrollIntoView();
}
