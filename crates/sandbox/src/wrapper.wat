;; The component of a tool: one JavaScript engine, compiled once and shared by all tools, and the tool's own memory, which is a
;; snapshot of that engine with the tool's source evaluated. The world is `tool` of wit/tool.wit, without `describe`: what a tool
;; says of itself is read when it is built.
(component
  (import "toolwright:tool/host@0.1.0" (instance $host
    (type $level-cases (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level-cases)))
    (export "log" (func (param "level" $level) (param "message" string)))
    (export "progress" (func (param "progress" float64) (param "total" (option float64)) (param "message" (option string))))
    (export "config" (func (param "name" string) (result (option string))))
    (export "now" (func (result u64)))
    (export "random" (func (param "length" u32) (result (list u8))))
    (export "digest" (func (param "algorithm" string) (param "data" (list u8)) (result (result (list u8) (error string)))))
    (export "memory-limit" (func (result u64)))
    (export "start" (func (param "operation" string) (result (result u32 (error string)))))
    (export "cancel" (func (param "handle" u32)))
    (export "wait" (func (result (tuple u32 (result string (error string))))))))

  (import "tool-data" (core module $Data
    (export "memory" (memory 1))))

  (import "js-engine" (core module $Engine
    (import "env" "memory" (memory 1))
    (import "toolwright:tool/host@0.1.0" "log" (func (param i32 i32 i32)))
    (import "toolwright:tool/host@0.1.0" "progress" (func (param f64 i32 f64 i32 i32 i32)))
    (import "toolwright:tool/host@0.1.0" "config" (func (param i32 i32 i32)))
    (import "toolwright:tool/host@0.1.0" "now" (func (result i64)))
    (import "toolwright:tool/host@0.1.0" "random" (func (param i32 i32)))
    (import "toolwright:tool/host@0.1.0" "digest" (func (param i32 i32 i32 i32 i32)))
    (import "toolwright:tool/host@0.1.0" "memory-limit" (func (result i64)))
    (import "toolwright:tool/host@0.1.0" "start" (func (param i32 i32 i32)))
    (import "toolwright:tool/host@0.1.0" "cancel" (func (param i32)))
    (import "toolwright:tool/host@0.1.0" "wait" (func (param i32)))
    (export "cabi_realloc" (func (param i32 i32 i32 i32) (result i32)))
    (export "call" (func (param i32 i32) (result i32)))))

  ;; Host functions that answer with text need the engine's `cabi_realloc`, and the engine needs them to be instantiated: the
  ;; engine gets functions that go through this table, which is filled when both are there.
  (core module $Gate
    (type $two (func (param i32 i32)))
    (type $three (func (param i32 i32 i32)))
    (type $five (func (param i32 i32 i32 i32 i32)))
    (type $one (func (param i32)))
    (table (export "table") 5 5 funcref)
    (func (export "config") (param i32 i32 i32)
      (call_indirect (type $three) (local.get 0) (local.get 1) (local.get 2) (i32.const 0)))
    (func (export "random") (param i32 i32)
      (call_indirect (type $two) (local.get 0) (local.get 1) (i32.const 1)))
    (func (export "digest") (param i32 i32 i32 i32 i32)
      (call_indirect (type $five) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (i32.const 2)))
    (func (export "start") (param i32 i32 i32)
      (call_indirect (type $three) (local.get 0) (local.get 1) (local.get 2) (i32.const 3)))
    (func (export "wait") (param i32)
      (call_indirect (type $one) (local.get 0) (i32.const 4))))
  (core module $Fill
    (import "" "table" (table 5 5 funcref))
    (import "" "config" (func (param i32 i32 i32)))
    (import "" "random" (func (param i32 i32)))
    (import "" "digest" (func (param i32 i32 i32 i32 i32)))
    (import "" "start" (func (param i32 i32 i32)))
    (import "" "wait" (func (param i32)))
    (elem (i32.const 0) func 0 1 2 3 4))

  (core instance $data (instantiate $Data))
  (alias core export $data "memory" (core memory $memory))
  (core instance $gate (instantiate $Gate))

  (core func $log (canon lower (func $host "log") (memory $memory)))
  (core func $progress (canon lower (func $host "progress") (memory $memory)))
  (core func $now (canon lower (func $host "now")))
  (core func $memory-limit (canon lower (func $host "memory-limit")))
  (core func $cancel (canon lower (func $host "cancel")))

  (core instance $engine (instantiate $Engine
    (with "env" (instance (export "memory" (memory $memory))))
    (with "toolwright:tool/host@0.1.0" (instance
      (export "log" (func $log))
      (export "progress" (func $progress))
      (export "config" (func $gate "config"))
      (export "now" (func $now))
      (export "random" (func $gate "random"))
      (export "digest" (func $gate "digest"))
      (export "memory-limit" (func $memory-limit))
      (export "start" (func $gate "start"))
      (export "cancel" (func $cancel))
      (export "wait" (func $gate "wait"))))))
  (alias core export $engine "cabi_realloc" (core func $realloc))

  (core func $config (canon lower (func $host "config") (memory $memory) (realloc $realloc)))
  (core func $random (canon lower (func $host "random") (memory $memory) (realloc $realloc)))
  (core func $digest (canon lower (func $host "digest") (memory $memory) (realloc $realloc)))
  (core func $start (canon lower (func $host "start") (memory $memory) (realloc $realloc)))
  (core func $wait (canon lower (func $host "wait") (memory $memory) (realloc $realloc)))
  (core instance (instantiate $Fill (with "" (instance
    (export "table" (table $gate "table"))
    (export "config" (func $config))
    (export "random" (func $random))
    (export "digest" (func $digest))
    (export "start" (func $start))
    (export "wait" (func $wait))))))

  (type $failure (record
    (field "name" string) (field "message" string) (field "line" u32) (field "column" u32) (field "stack" string)))
  (export $tool-error "tool-error" (type $failure))
  ;; Without a post-return: the instance serves one call and is gone with all its memory, so there is nothing for it to free, and
  ;; nothing of it runs once the call has answered.
  (func $call (param "arguments" string) (result (result string (error $tool-error)))
    (canon lift (core func $engine "call") (memory $memory) (realloc $realloc)))
  (export "call" (func $call)))
