;; Of the world `toolwright:tool/tool`: it never comes to its end where it says what it is.
(component
  (core module $code
    (memory (export "memory") 1)
    (func (export "describe") (result i32) (loop $again (br $again)) (unreachable))
    (func (export "call") (param i32 i32) (result i32) (unreachable))
    (func (export "allocate") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $i (instantiate $code))
  (type $an-answer (variant (case "json" string) (case "content" string)))
  (import "answer" (type $answer (eq $an-answer)))
  (type $an-error (record (field "name" string) (field "message" string) (field "line" u32) (field "column" u32) (field "stack" string)))
  (import "tool-error" (type $error (eq $an-error)))
  (func (export "describe") (result string) (canon lift (core func $i "describe") (memory (core memory $i "memory"))))
  (func (export "call") (param "arguments" string) (result (result $answer (error $error)))
    (canon lift (core func $i "call") (memory (core memory $i "memory")) (realloc (core func $i "allocate")))))
