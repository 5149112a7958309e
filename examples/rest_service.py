# A small web service with microdot, a package from PyPI, unchanged: `pip install microdot`.
#
# mkimage rest_service.py --run -p 8080:80
# curl http://127.0.0.1:8080/notes -d '{"text": "buy milk"}' -H 'Content-Type: application/json'
#
# /// script
# dependencies = ["microdot"]
# ///
from microdot import Microdot

app = Microdot()
notes = {}


@app.get("/")
async def index(request):
    return {"service": "notes", "count": len(notes)}


@app.get("/notes")
async def list_notes(request):
    return [{"id": number, "text": notes[number]} for number in sorted(notes)]


@app.post("/notes")
async def add_note(request):
    body = request.json
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        return {"error": 'send {"text": "..."}'}, 400
    number = max(notes, default=0) + 1
    notes[number] = body["text"]
    return {"id": number, "text": notes[number]}, 201


@app.get("/notes/<int:number>")
async def get_note(request, number):
    if number not in notes:
        return {"error": "no such note"}, 404
    return {"id": number, "text": notes[number]}


@app.delete("/notes/<int:number>")
async def delete_note(request, number):
    if notes.pop(number, None) is None:
        return {"error": "no such note"}, 404
    return "", 204


print("notes service on port 80")
app.run(port=80)
